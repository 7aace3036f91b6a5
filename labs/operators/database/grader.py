"""The checks of the Database operator. lab.toml gives their order; importing a module registers its own."""

from labs.operators.database.grading import changes, deletion, others, shape, status, trouble

__all__ = ["changes", "deletion", "others", "shape", "status", "trouble"]
