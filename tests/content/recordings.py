"""What the chapters on eBPF show as seen in a guest: the file, the command, and on which kernel."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Shown:
    """`kernels`: "both" print the same; "each" prints its own, and both are shown; or the one that is shown."""

    command: str
    kernels: str = "both"


IN_A_GUEST = {
    "tracers/seen/where.txt": Shown("sudo bin/where task_struct.real_parent tcp_sock.srtt_us", "each"),
    "tracers/seen/refused-6.1.txt": Shown("sudo bin/refused", "6.1"),
    "tracers/seen/refused-6.12.txt": Shown("sudo bin/refused wrong_type", "6.12"),
    "tracers/seen/padding.txt": Shown("sudo bin/padding", "each"),
    "tracers/seen/lifetimes.txt": Shown("sudo bin/lifetimes"),
    "tracers/seen/reset.txt": Shown("sudo bin/reset"),
    "tracers/seen/execs.txt": Shown("sh execs.sh"),
    "tracers/seen/hooks.txt": Shown("sudo bin/hooks"),
    "tracers/seen/life.txt": Shown("sudo bin/states life"),
    "tracers/seen/lost.txt": Shown("sudo bin/states lost"),
    "tracers/seen/nested.txt": Shown("sudo bin/nested", "each"),
    "tracers/seen/cost.txt": Shown("sudo bin/states cost", "each"),
    "tracers/seen/wire.txt": Shown("sudo bin/wire"),
    "tracers/seen/tls.txt": Shown("sudo bin/tls"),
    "tracers/seen/ip-summed.txt": Shown("sudo bin/where sk_buff.ip_summed"),
    "tracers/seen/rtt.txt": Shown("sudo bin/rtt"),
    "tracers/seen/cidr.txt": Shown("sudo bin/cidr"),
}
