"""The process that keeps one jail: it makes it, watches its limits and removes all of it.

Standard library only, and few modules of it: a keeper is started for every build and every run.
"""
