"""Where a function of one number crosses 0."""

from __future__ import annotations

from collections.abc import Callable

_RTOL = 2.0**-50  # the smallest that Brent's method takes


def root(
    function: Callable[[float], float], low: float, high: float, *, xtol: float = 1e-13, rtol: float = _RTOL
) -> float:
    """Returns where the function is 0, by Brent's method; its signs at the ends differ."""
    from scipy.optimize import brentq  # here: half a second that tables without a range need not wait

    return float(brentq(function, low, high, xtol=xtol, rtol=rtol))
