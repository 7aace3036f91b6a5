"""The checks of the Database operator. lab.toml gives their order; each module of grading/ holds one topic."""

from labs.harness.checks import check
from labs.operators.database.grading import changes, deletion, garbage, others, shape, status, trouble, world

MODULES = (shape, status, changes, others, trouble, deletion, garbage)

# Here and not where they are defined: those modules are imported once, this file whenever the lab is loaded.
for id_, function in world.CHECKS.items():
    check(id_)(function)
