"""The system-call filter of every jail, as classic BPF for bubblewrap's --seccomp.

A deny list over what namespaces, the uid and the cgroup leave open: kernel surface that no build and
no learner's program needs. clone3 answers ENOSYS, so that libc and Go fall back to clone, whose
flags a filter can read; the x32 ABI is refused whole. Source: linux/seccomp.h, and the profile that
Docker ships, read for which calls it keeps from containers.
"""

import platform
import struct

# name: (x86_64, aarch64); None where the architecture has no such call
DENIED: dict[str, tuple[int | None, int | None]] = {
    "ptrace": (101, 117),
    "bpf": (321, 280),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # its contexts are counted for the machine (fs.aio-max-nr), and one jail could have all of them
    "io_setup": (206, 0),
    "userfaultfd": (323, 282),
    "perf_event_open": (298, 241),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "setns": (308, 268),
    "unshare": (272, 97),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "open_tree": (428, 428),
    "mount_setattr": (442, 442),
    "fanotify_init": (300, 262),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "acct": (163, 89),
    "personality": (135, 92),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "mbind": (237, 235),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    "vmsplice": (278, 75),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "vhangup": (153, 58),
    "nfsservctl": (180, 42),
    "lookup_dcookie": (212, 18),
}

# column in DENIED, AUDIT_ARCH, numbers of clone and socket
_ARCHES = {"x86_64": (0, 0xC000003E, 56, 41), "aarch64": (1, 0xC00000B7, 220, 198)}
# AF_UNIX, AF_INET, AF_INET6, AF_NETLINK. Not AF_VSOCK: a network namespace does not hold it, and on a
# virtual machine it reaches the hypervisor; nor AF_ALG, AF_PACKET and the rest, which nothing here needs.
FAMILIES = (1, 2, 10, 16)
_LOAD, _JEQ, _JGE, _JSET, _RET = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL = 0x7FFF0000, 0x80000000
_EPERM, _ENOSYS, _EAFNOSUPPORT = (0x00050000 | errno for errno in (1, 38, 97))
_CLONE3, _X32 = 435, 0x40000000
# every CLONE_NEW* flag; CLONE_NEWTIME shares its bit with the signal mask and is reached by clone3 only
_NEW_NAMESPACES = 0x7E020000
_OFFSET_NR, _OFFSET_ARCH, _OFFSET_ARG0 = 0, 4, 16


def program(machine: str = "") -> bytes:
    """The filter for `machine` (this one by default). Raises KeyError for another architecture."""
    column, audit_arch, clone, socket = _ARCHES[machine or platform.machine()]
    numbers = sorted(n for row in DENIED.values() if (n := row[column]) is not None)
    code: list[tuple[int, int, int, int]] = [
        (_LOAD, 0, 0, _OFFSET_ARCH),
        (_JEQ, 1, 0, audit_arch),
        (_RET, 0, 0, _KILL),
        (_LOAD, 0, 0, _OFFSET_NR),
        (_JGE, 0, 1, _X32),
        (_RET, 0, 0, _KILL),
        (_JEQ, 0, 1, _CLONE3),
        (_RET, 0, 0, _ENOSYS),
    ]
    for number in numbers:
        code += [(_JEQ, 0, 1, number), (_RET, 0, 0, _EPERM)]
    code += [
        (_JEQ, 0, 3, clone),
        (_LOAD, 0, 0, _OFFSET_ARG0),
        (_JSET, 0, 1, _NEW_NAMESPACES),
        (_RET, 0, 0, _EPERM),
        (_LOAD, 0, 0, _OFFSET_NR),
        (_JEQ, 0, len(FAMILIES) + 2, socket),
        (_LOAD, 0, 0, _OFFSET_ARG0),
    ]
    for index, family in enumerate(FAMILIES):
        code.append((_JEQ, len(FAMILIES) - index, 0, family))
    code += [(_RET, 0, 0, _EAFNOSUPPORT), (_RET, 0, 0, _ALLOW)]
    return b"".join(struct.pack("<HBBI", *instruction) for instruction in code)
