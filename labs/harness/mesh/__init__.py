"""Traffic of a service mesh whose truth the host knows: real HTTP/2, gRPC, TLS and TCP, done in the guest to a plan.

    guest.mesh_start()                                   # the network and its programs, once per machine
    plan = MeshPlan(servers=(Server("10.244.3.7", 8080, "h2c"),),
                    sessions=(Session(1, "h2", "10.244.0.1", ("10.244.3.7", 8080),
                                      (Exchange("status", 503, count=5), Exchange("cancel"))),))
    report = guest.mesh(plan)                            # answers when all of it has happened
    compare(plan, report)                                # overloaded, or impossible: see there
    plan.truth().responses                               # {(("10.244.3.7", 8080), 503): 5, (…, 200): 1}

The program under test is root in the guest, so the report is only held against the plan.
"""

from labs.harness.mesh.parts import Destination, Exchange, Server, Session
from labs.harness.mesh.plan import BINARY, DEVICE, MeshPlan
from labs.harness.mesh.truth import Handshake, Reset, Truth

__all__ = [
    "BINARY",
    "DEVICE",
    "Destination",
    "Exchange",
    "Handshake",
    "MeshPlan",
    "Reset",
    "Server",
    "Session",
    "Truth",
]
