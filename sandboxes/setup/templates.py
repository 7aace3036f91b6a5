"""The templates of virtual machines, made ahead so that the first learner does not wait for a boot."""

from __future__ import annotations

from sandboxes import paths
from sandboxes.interface import Spec, StartFailed, Unavailable
from sandboxes.setup import kernels
from sandboxes.setup.step import Say, SetupError
from sandboxes.vm import VirtualMachineProvider, accelerator


class VmTemplate:
    """One for each kernel. Made again when the kernel, the agent, QEMU or the command line changes."""

    def __init__(self, kernel: kernels.Kernel) -> None:
        self.name = f"template of a virtual machine with {kernel.name}"
        self._spec = Spec("vm", options={"kernel": kernel.series})

    def done(self) -> bool:
        provider = VirtualMachineProvider()
        try:
            provider.probe()
        except Unavailable:
            return False
        # asking for the machine would try KVM, which takes seconds where nobody has tried it
        if accelerator.read(paths.cache_dir()) is None:
            return False
        return provider.shelf.stands(provider.machine(self._spec))

    def run(self, say: Say) -> None:
        provider = VirtualMachineProvider()
        say("booting once (4 s of a processor without KVM)")
        try:
            provider.probe()
            provider.shelf.get(provider.machine(self._spec))
        except Unavailable as error:
            raise SetupError(str(error), "make setup") from error
        except StartFailed as error:
            remedy = "run make setup again on a quieter machine"
            raise SetupError(f"{error}\n{error.log}".rstrip(), remedy) from error


def steps() -> list[VmTemplate]:
    return [VmTemplate(kernel) for kernel in kernels.SERIES]
