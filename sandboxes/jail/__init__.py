"""Untrusted commands, held by bubblewrap, a cgroup, a seccomp filter and an own uid."""

from sandboxes.jail.capabilities import Capabilities, capabilities
from sandboxes.jail.delay import DelayMeter
from sandboxes.jail.model import FIRST_DESCRIPTOR, MIB, Bind, Command, Limits, Overlay
from sandboxes.jail.process import Process, bubblewrap, run, start

__all__ = [
    "FIRST_DESCRIPTOR",
    "MIB",
    "Bind",
    "Capabilities",
    "Command",
    "DelayMeter",
    "Limits",
    "Overlay",
    "Process",
    "bubblewrap",
    "capabilities",
    "run",
    "start",
]
