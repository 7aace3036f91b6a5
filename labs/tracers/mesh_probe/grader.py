"""The checks of the mesh probe. lab.toml gives their order; each module of grading/ holds one topic."""

from labs.harness.checks import check
from labs.tracers.mesh_probe.grading import cidr, http2, life, old, page, resets, rtt, sliding, tls, world

MODULES = (page, http2, old, sliding, resets, rtt, tls, cidr, life)

# Here and not where they are defined: those modules are imported once, this file whenever the lab is loaded.
for id_, function in world.graded.checks.items():
    check(id_)(function)
