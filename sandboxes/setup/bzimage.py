"""Out of a kernel image that boots itself, the kernel alone: an ELF file with BTF, which QEMU starts directly.

Source: Documentation/arch/x86/boot.rst, "payload_offset" and "payload_length" (protocol 2.08).
"""

from __future__ import annotations

import struct
import subprocess

from sandboxes.setup.step import SetupError

_ELF = b"\x7fELF"
_SECTOR = 512
# magic of the payload: the program that unpacks it to standard output
_UNPACK: dict[bytes, tuple[str, ...]] = {
    b"\x28\xb5\x2f\xfd": ("zstd", "-dcq"),
    b"\x02\x21\x4c\x18": ("lz4", "-dcq"),
    b"\xfd7zXZ\x00": ("xz", "-dcq"),
    b"\x1f\x8b\x08": ("gzip", "-dcq"),
}


def vmlinux(image: bytes) -> bytes:
    """The ELF file inside of `image`. Raises SetupError when it is not an x86 boot image or does not unpack."""
    payload = _payload(image)
    argv = next((words for magic, words in _UNPACK.items() if payload.startswith(magic)), None)
    if argv is None:
        raise SetupError(f"the kernel is packed in a way that is not known ({payload[:6].hex()})")
    # the packed stream is followed by four bytes with its size, which gzip has at its end anyhow
    stream = payload if argv[0] == "gzip" else payload[:-4]
    try:
        ended = subprocess.run(argv, input=stream, capture_output=True)
    except FileNotFoundError as error:
        raise SetupError(f"there is no {argv[0]}", f"sudo apt-get install {argv[0]}") from error
    size = struct.unpack("<I", payload[-4:])[0]
    if ended.returncode or len(ended.stdout) != size or not ended.stdout.startswith(_ELF):
        raise SetupError(f"the kernel does not unpack: {ended.stderr.decode(errors='replace').strip()}")
    return ended.stdout


def _payload(image: bytes) -> bytes:
    if len(image) < 0x260 or image[0x202:0x206] != b"HdrS":
        raise SetupError("the kernel is not an x86 boot image")
    version, offset, length = (
        struct.unpack_from(form, image, at)[0] for form, at in (("<H", 0x206), ("<I", 0x248), ("<I", 0x24C))
    )
    if version < 0x208:
        raise SetupError("the kernel's boot protocol is older than 2.08")
    begin = ((image[0x1F1] or 4) + 1) * _SECTOR + offset
    if length < 8 or begin + length > len(image):
        raise SetupError("the kernel image is cut off")
    return image[begin : begin + length]
