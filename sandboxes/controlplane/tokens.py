"""The bearer tokens of one sandbox."""

from __future__ import annotations

import secrets
from dataclasses import dataclass


@dataclass(frozen=True)
class Tokens:
    """`learner` and `gate_control` are known to apigate only; the API server knows the others.

    grader: administrator, named in the audit log. operator: what the learner's requests turn into.
    supervisor: health polls. controller_manager: kube-controller-manager.
    """

    grader: str
    supervisor: str
    controller_manager: str
    operator: str
    learner: str
    gate_control: str

    @classmethod
    def make(cls) -> Tokens:
        return cls(*(secrets.token_urlsafe(24) for _ in range(6)))

    def csv(self) -> bytes:
        """The API server's static token file: token,user,uid,"groups". Source: kube-apiserver, Authenticating."""
        rows = [
            (self.grader, "grader", "system:masters"),
            (self.supervisor, "supervisor", "system:masters"),
            (self.controller_manager, "system:kube-controller-manager", "system:masters"),
            (self.operator, "operator", "lastmile:operators"),
        ]
        return "".join(f'{token},{user},{user},"{group}"\n' for token, user, group in rows).encode()
