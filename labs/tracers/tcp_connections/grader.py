"""The checks of the TCP connection tracer. lab.toml gives their order; each module of grading/ holds one topic."""

from labs.harness.checks import check
from labs.tracers.tcp_connections.grading import ends, life, page, ring, states, world

MODULES = (page, states, ends, ring, life)

# Here and not where they are defined: those modules are imported once, this file whenever the lab is loaded.
for id_, function in world.graded.checks.items():
    check(id_)(function)
