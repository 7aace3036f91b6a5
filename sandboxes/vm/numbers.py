"""Numbers that a guest tells. Whoever has taken its agent over may say any that JSON has, and words for them."""

from __future__ import annotations

import math
from typing import Any

_MOST = 1 << 64


def whole(value: Any) -> int:
    """A whole number of at most 64 bits. Raises TypeError, ValueError."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"not a whole number: {value!r:.40}")
    if not -_MOST < value < _MOST:
        raise ValueError("a number of more than 64 bits")
    return value


def finite(value: Any) -> float:
    """A number of the same size, with or without a fraction. Raises TypeError, ValueError."""
    if isinstance(value, int):
        return float(whole(value))
    if not isinstance(value, float):
        raise TypeError(f"not a number: {value!r:.40}")
    if not math.isfinite(value) or not -_MOST < value < _MOST:
        raise ValueError(f"{value!r:.40} is no quantity")
    return value
