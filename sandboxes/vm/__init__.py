"""Virtual machines with a kernel of their own, for what needs one: a learner's BPF programs."""

from sandboxes.vm.client import Client
from sandboxes.vm.provider import VirtualMachineProvider
from sandboxes.vm.sandbox import VirtualMachine

__all__ = ["Client", "VirtualMachine", "VirtualMachineProvider"]
