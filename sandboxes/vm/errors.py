"""What can go wrong between the host and a guest, each a type of its own.

The learner's program is root in the guest, so every one of them may be its doing. After Malformed and Gone the
connection is over, and after Silent when the guest took in a part of the request only.
"""

from __future__ import annotations


class GuestError(Exception):
    """The guest did not do what was asked for."""


class Refused(GuestError):
    """The agent answered with an error of its own: no such file, not found, no such operation."""


class TooLarge(GuestError):
    """An answer is longer than the caller allowed. The rest of it is thrown away."""


class Silent(GuestError):
    """No answer within the deadline: the guest hangs."""


class Malformed(GuestError):
    """What came over the channel is not the agent's protocol, or answers what nobody asked."""


class Gone(GuestError):
    """The channel is closed: the machine has ended, or this client has."""


class Busy(GuestError):
    """Another client of this host holds the machine's channel."""
