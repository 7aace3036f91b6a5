"""The addresses of one run: what is watched, what is not, and who lives there."""

from __future__ import annotations

import ipaddress
import random
from dataclasses import replace

from labs.harness.mesh import Server, Truth


class Network:
    """Watched: a /16 but for a /24 in it, of which one address is watched all the same; and a /20 of its own.

    Addresses and ports are drawn, and none is given out twice.
    """

    def __init__(self, source: random.Random) -> None:
        self._random = source
        pods, self._third = source.randint(11, 90), source.randint(2, 250)
        self._second = source.randint(16, 30)
        self._corner = 16 * source.randint(1, 14)
        self.pods = ipaddress.IPv4Network(f"10.{pods}.0.0/16")
        self.excepted = ipaddress.IPv4Network(f"10.{pods}.{self._third}.0/24")
        self.single = ipaddress.IPv4Network(f"10.{pods}.{self._third}.{source.randint(2, 250)}/32")
        self.uneven = ipaddress.IPv4Network(f"172.{self._second}.{self._corner}.0/20")
        self.client = f"192.168.{source.randint(1, 250)}.{source.randint(2, 250)}"
        self._ports = iter(source.sample(range(20_000, 32_000), 2000))
        self._taken: set[str] = set()

    @property
    def rules(self) -> dict[str, bool]:
        return {
            str(self.pods): True,
            str(self.excepted): False,
            str(self.single): True,
            str(self.uneven): True,
        }

    @property
    def cidrs(self) -> str:
        """As PROBE_CIDRS has it, in an order that says nothing."""
        rules = [text if on else f"!{text}" for text, on in self.rules.items()]
        self._random.shuffle(rules)
        return ",".join(rules)

    def watched(self, truth: Truth) -> Truth:
        return truth.within(self.rules)

    def pod(self) -> str:
        """An address of its own that is watched, in the /16."""
        while True:
            third = self._random.randint(1, 250)
            address = f"{self.pods.network_address + 256 * third + self._random.randint(2, 250)}"
            if ipaddress.IPv4Address(address) not in self.excepted and address not in self._taken:
                self._taken.add(address)
                return address

    def stranger(self) -> str:
        """An address of its own that is in no rule."""
        while True:
            second, third, fourth = (self._random.randint(least, 250) for least in (101, 1, 2))
            address = f"10.{second}.{third}.{fourth}"
            if address not in self._taken:
                self._taken.add(address)
                return address

    def server(self, kind: str, address: str = "", **more: object) -> Server:
        """At a fresh port, of a fresh pod unless an address is given."""
        base = Server(address or self.pod(), next(self._ports), "h2c")
        return replace(base, kind=kind, **more)  # type: ignore[arg-type]

    def edges(self) -> tuple[str, str, str]:
        """The first and the last address of the /20, and one beyond it."""
        first, last = self.uneven[1], self.uneven[-2]
        return str(first), str(last), str(self.uneven[-1] + 2)
