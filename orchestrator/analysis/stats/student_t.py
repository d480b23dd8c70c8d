"""Student's t distribution for whole degrees of freedom.

Source: Abramowitz & Stegun, "Handbook of Mathematical Functions", 1964, 26.7.3 and 26.7.4.
"""

from __future__ import annotations

from math import atan, cos, pi, sin, sqrt

LARGEST = 1e6  # a quantile beyond this is given as this


def two_sided_p(t: float, freedom: int) -> float:
    """Return the probability that |T| exceeds |t| with `freedom` degrees of freedom."""
    if freedom < 1:
        raise ValueError(f"{freedom} degrees of freedom; there must be at least 1")
    angle = atan(abs(t) / sqrt(freedom))
    cosine, odd = cos(angle), freedom % 2
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= (k - 1) / k * cosine**2
        total += term
    within = 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
    return min(1.0, max(0.0, 1 - within))


def quantile(level: float, freedom: int) -> float:
    """Return the t beyond which, on both sides together, lies the share 1 - `level`; by bisection."""
    low, high = 0.0, LARGEST
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, freedom) > 1 - level else (low, middle)
    return high
