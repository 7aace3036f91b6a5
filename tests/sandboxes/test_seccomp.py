"""The filter's program, run by an interpreter of classic BPF for both architectures."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes.keeper import seccomp

ALLOW, KILL = 0x7FFF0000, 0x80000000
EPERM, ENOSYS, EAFNOSUPPORT = (0x00050000 | errno for errno in (1, 38, 97))
# name: column in DENIED, AUDIT_ARCH, clone, clone3, socket. Source: the kernel's syscall tables, linux/audit.h
ARCHES = {"x86_64": (0, 0xC000003E, 56, 435, 41), "aarch64": (1, 0xC00000B7, 220, 435, 198)}
NEW_FLAGS = (0x00020000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)

arches = st.sampled_from(sorted(ARCHES))


def decide(machine: str, number: int, argument: int = 0, arch: int | None = None) -> int:
    """What the filter returns for a call. Source: linux/filter.h; data is struct seccomp_data."""
    data = struct.pack(
        "<IIQ6Q", number, ARCHES[machine][1] if arch is None else arch, 0, argument, 0, 0, 0, 0, 0
    )
    program = seccomp.program(machine)
    code = [struct.unpack_from("<HBBI", program, at) for at in range(0, len(program), 8)]
    at = accumulator = 0
    for _ in range(len(code) + 1):
        operation, yes, no, k = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, k)
        elif operation == 0x15:
            at += yes if accumulator == k else no
        elif operation == 0x35:
            at += yes if accumulator >= k else no
        elif operation == 0x45:
            at += yes if accumulator & k else no
        elif operation == 0x06:
            return int(k)
        else:
            raise AssertionError(f"an instruction that the filter should not have: {operation:#x}")
    raise AssertionError("the program does not end")


def denied(machine: str) -> set[int]:
    column = ARCHES[machine][0]
    return {n for row in seccomp.DENIED.values() if (n := row[column]) is not None}


@pytest.mark.parametrize("machine", sorted(ARCHES))
def test_it_works(machine: str) -> None:
    _, _, clone, clone3, socket = ARCHES[machine]
    assert {decide(machine, n) for n in denied(machine)} == {EPERM}
    assert decide(machine, clone3) == ENOSYS
    special = {clone, clone3, socket}
    allowed = [n for n in range(600) if n not in denied(machine) | special]
    assert {decide(machine, n) for n in allowed} == {ALLOW}


@given(arches, st.integers(0, 0x3FFFFFFF), st.integers(0, 2**64 - 1))
def test_only_named_calls_are_touched(machine: str, number: int, argument: int) -> None:
    _, _, clone, clone3, socket = ARCHES[machine]
    if number not in denied(machine) | {clone, clone3, socket}:
        assert decide(machine, number, argument) == ALLOW


@given(arches, st.integers(0x40000000, 0xFFFFFFFF), st.integers(0, 2**64 - 1))
def test_other_calling_conventions_end_the_program(machine: str, number: int, argument: int) -> None:
    assert decide(machine, number, argument) == KILL


@given(arches, st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1))
def test_other_architectures_end_the_program(machine: str, number: int, arch: int) -> None:
    if arch != ARCHES[machine][1]:
        assert decide(machine, number, arch=arch) == KILL


@given(arches, st.integers(0, 2**64 - 1))
def test_clone_is_judged_by_its_flags(machine: str, flags: int) -> None:
    makes_one = any(flags & flag for flag in NEW_FLAGS)
    assert decide(machine, ARCHES[machine][2], flags) == (EPERM if makes_one else ALLOW)


@given(arches, st.integers(0, 2**64 - 1) | st.integers(0, 64))
def test_a_socket_is_judged_by_its_family(machine: str, family: int) -> None:
    # the kernel reads an int: what stands above 32 bits is nothing to it either
    expected = ALLOW if family & 0xFFFFFFFF in (1, 2, 10, 16) else EAFNOSUPPORT
    assert decide(machine, ARCHES[machine][4], family) == expected


def test_another_machine_is_refused() -> None:
    with pytest.raises(KeyError):
        seccomp.program("riscv64")


def test_no_call_is_named_twice() -> None:
    for column in (0, 1):
        numbers = [n for row in seccomp.DENIED.values() if (n := row[column]) is not None]
        assert len(numbers) == len(set(numbers))
