"""Untrusted commands, held by bubblewrap, a cgroup, a seccomp filter and an own uid."""

from sandboxes.jail.model import MIB, Bind, Command, Limits, Overlay
from sandboxes.jail.process import Process, bubblewrap, run, start

__all__ = ["MIB", "Bind", "Command", "Limits", "Overlay", "Process", "bubblewrap", "run", "start"]
