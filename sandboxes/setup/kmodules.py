"""Kernel modules out of an unpacked package: what a module needs, in the order in which to load it."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable
from pathlib import Path

from sandboxes.setup.step import SetupError

_SUFFIXES = (".ko", ".ko.xz")
# a line of .modinfo; the kernel's own tool (modinfo) reads the same bytes
_DEPENDS = re.compile(rb"\0depends=([^\0]*)\0")


class Modules:
    """The modules below lib/modules/RELEASE of one package."""

    def __init__(self, folder: Path) -> None:
        self._files = {
            _name(path): path for path in sorted(folder.rglob("*")) if path.name.endswith(_SUFFIXES)
        }
        builtin = folder / "modules.builtin"
        lines = builtin.read_text().splitlines() if builtin.is_file() else []
        self._builtin = {_name(Path(line)) for line in lines}

    def read(self, name: str) -> bytes:
        """The module itself, unpacked. Raises SetupError when the package does not have it."""
        path = self._files.get(name)
        if path is None:
            raise SetupError(f"the kernel's package has no module {name}")
        content = path.read_bytes()
        try:
            return lzma.decompress(content) if path.suffix == ".xz" else content
        except lzma.LZMAError as error:
            raise SetupError(f"{path.name} does not unpack: {error}") from error

    def in_order(self, wanted: Iterable[str]) -> list[tuple[str, bytes]]:
        """`wanted` and all that they depend on, each once and after what it needs; none that is built in."""
        found: dict[str, bytes] = {}
        for name in wanted:
            self._add(name, found, ())
        return list(found.items())

    def _add(self, name: str, found: dict[str, bytes], above: tuple[str, ...]) -> None:
        if name in found or name in self._builtin:
            return
        if name in above:
            raise SetupError(f"modules depend on each other in a circle: {' '.join((*above, name))}")
        content = self.read(name)
        for needed in depends(content):
            self._add(needed, found, (*above, name))
        found[name] = content


def depends(module: bytes) -> list[str]:
    """The names of the modules that `module` needs, as it says itself."""
    match = _DEPENDS.search(module)
    names = match[1].decode("ascii", "replace") if match else ""
    return [name.replace("-", "_") for name in names.split(",") if name]


def _name(path: Path) -> str:
    return path.name.partition(".")[0].replace("-", "_")
