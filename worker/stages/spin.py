"""Spin: busy for a set time, so that a task's length is the only thing that changes.

A payload is `KERNEL AMOUNT SEED`. The amount is an iteration count that the orchestrator calibrated once for the run,
or the seconds to wait. The output depends on every iteration, so a task that does less is found out.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Final

# Marsaglia's congruential generator: its n-th value can also be computed without the n - 1 before it.
MULTIPLIER: Final = 69069
INCREMENT: Final = 1
MODULUS: Final = 1 << 32
SALT: Final = b"breakeven"


def held(payload: str) -> str:
    """Compute in pure Python, which holds the GIL."""
    _, steps, seed = payload.split()
    value = int(seed)
    for _ in range(int(steps)):
        value = (value * MULTIPLIER + INCREMENT) % MODULUS
    return str(value)


def released(payload: str) -> str:
    """Hash in C with the GIL released: PBKDF2 does one SHA-256 HMAC an iteration."""
    _, rounds, seed = payload.split()
    return hashlib.pbkdf2_hmac("sha256", seed.encode(), SALT, int(rounds)).hex()


def waiting(payload: str) -> str:
    """Sleep, as a task does that waits for a server."""
    _, seconds, seed = payload.split()
    time.sleep(float(seconds))
    return seed


def reference(payload: str) -> str:
    """Return the output of any of the kernels, for `held` without its loop and for `waiting` without its wait."""
    kernel, amount, seed = payload.split()
    if kernel == "waiting":
        return seed
    if kernel == "released":
        return released(payload)
    multiplier, increment, value, steps = MULTIPLIER, INCREMENT, int(seed), int(amount)
    while steps:
        if steps % 2:
            value = (value * multiplier + increment) % MODULUS
        # Twice as many steps at once: a (a x + c) + c.
        multiplier, increment = multiplier * multiplier % MODULUS, (multiplier + 1) * increment % MODULUS
        steps //= 2
    return str(value)


KERNELS: Final[Mapping[str, Callable[[str], str]]] = {"held": held, "released": released, "waiting": waiting}
