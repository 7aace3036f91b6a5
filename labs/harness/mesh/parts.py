"""What a plan is made of: servers, and sessions of clients with them, in exchanges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Destination = tuple[str, int]

ServerKind = Literal[
    "h2c", "h2", "grpc", "nginx_h2c", "nginx_h2", "tls", "silent", "closing", "plain", "echo", "made"
]
"""How a server answers.

h2c, h2: Go's net/http, HTTP/2 in plain text (prior knowledge) or in TLS. grpc: grpc-go, plain text. nginx_h2c,
nginx_h2: nginx. tls: Go's crypto/tls, a handshake and an echo. silent: accepts, and never says a word. closing: accepts
and closes once something came. plain: answers a ClientHello with HTTP/1.1 in plain text. echo: sends back what it gets.
made: HTTP/2 in plain text by hand-made frames, for what no real server does.
"""

SessionKind = Literal["h2", "grpc", "framer", "tls", "openssl", "echo"]
"""Who speaks: Go's net/http, grpc-go, a framer that sends what no correct client would, crypto/tls, the openssl
program, or TCP without anything above.
"""

Ask = Literal[
    "status",
    "cancel",
    "abort",
    "goaway",
    "call",
    "call_cancel",
    "reset",
    "padded",
    "broken",
    "handshake",
    "round",
]
"""One exchange of a session, by the session's kind.

h2: `status` is answered with it; `cancel`: answered with it, then the client cancels (RST_STREAM CANCEL from the
client); `abort`: answered with it, then the handler gives up (RST_STREAM INTERNAL_ERROR from the server; not nginx);
`goaway`: answered with it, and the server announces the end of the connection (GOAWAY), so it is the last one.
grpc: `call` ends with the gRPC code in `status` (:status is 200); `call_cancel`: a stream that the client cancels.
framer: `reset` sends a request, waits for the answer's headers, and then so many RST_STREAM on that one stream as
`count` says, with the error code in `status`. Of a server of kind made: `padded` is answered with `status` in frames
that are padded and have a priority; `broken` by a header block that refers to an entry which no table has. What comes
after that on the connection is sent as ever; the standard has nobody decode it.
tls, openssl: `handshake`, with `Session.fate`. echo: `round`, `body` bytes there and back.
"""

Fate = Literal[
    "good",
    "distrust",
    "no_version",
    "no_cipher",
    "no_alpn",
    "no_certificate",
    "silent",
    "stuck",
    "closing",
    "plain",
]
"""How a TLS handshake ends.

good. distrust: the client does not trust the certificate (Go alerts 42, openssl 48). no_version: no common version
(the server alerts 70). no_cipher: 1.2 only (server, 40). no_alpn: no common protocol (server, 120). no_certificate: the
server wants a certificate of the client's (1.2: server, 40; 1.3: server, 116, encrypted). silent: no answer at all, and
the client leaves after `patience_ms`. stuck: no answer at all (of a silent server), and the client stays as long as its
session, which may be kept. closing: the server closes without a word. plain: it answers, but not in TLS.
"""


@dataclass(frozen=True)
class Server:
    """Stands from the first plan that names it until mesh_end; a later plan may name it again, unchanged.

    `address` is a pod's: any IPv4 address of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 but 10.99.0.0/16; or of
    127.0.0.0/8, then it is on the node's loopback and not in a pod. `slow`: its packets come late by MeshPlan.delay_ms
    (pods only). `tls` is the only version that the kinds h2, tls and nginx_h2 speak. `mutual`: a server of kind tls
    wants a certificate of the client's. `chunk`: what a server of kind h2c sends leaves in segments of so many bytes.
    """

    address: str
    port: int
    kind: ServerKind
    tls: Literal["1.2", "1.3"] = "1.3"
    mutual: bool = False
    slow: bool = False
    chunk: int = 0

    @property
    def place(self) -> Destination:
        return self.address, self.port

    @property
    def encrypted(self) -> bool:
        return self.kind in ("h2", "nginx_h2", "tls")


@dataclass(frozen=True)
class Exchange:
    """`count` times one after the other (`concurrent` of the session at once), each after `pause_ms`.

    `headers`: bytes of header fields of the answer that are new each time, so that HPACK's table turns over and, from
    16 KiB on, CONTINUATION is needed (not nginx). `body`: bytes of the answer's body, or of a round. `think_ms`: how
    long the handler of an h2 server waits before it answers (not nginx). `early`: it answers 103 first (not nginx).
    """

    ask: Ask
    status: int = 200
    count: int = 1
    headers: int = 0
    body: int = 0
    pause_ms: int = 0
    think_ms: int = 0
    early: bool = False


@dataclass(frozen=True)
class Session:
    """One TCP connection of a client at `source` (an address as of servers; the port is the kernel's) to `server`.

    For kinds tls and openssl each handshake has a connection of its own, and such a session cannot be kept, but for one
    whose fate is stuck.
    `id` is unique among what stands. `keep`: stays open when the plan is done; a later plan goes on with it by a
    session with the same id, source and server, and `resumed`. A resumed session with no exchange and without `keep`
    only closes it. `concurrent`: that many exchanges of its list at once, on streams of their own. `table_size`:
    SETTINGS_HEADER_TABLE_SIZE that an h2 client announces, for answers. `fate`, `patience_ms`: of tls and openssl.
    """

    id: int
    kind: SessionKind
    source: str
    server: Destination
    exchanges: tuple[Exchange, ...]
    concurrent: int = 1
    keep: bool = False
    resumed: bool = False
    table_size: int = 4096
    fate: Fate = "good"
    patience_ms: int = 3000
