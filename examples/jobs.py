"""Eight small functions, one of each kind, to try Breakeven with: one input in, one output out.

    orchestrator run --function examples.jobs:fetch --inputs "range(200)"

Each says what to expect of it. They need nothing but Python, except where a function says so.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from typing import Any


def fetch(number: int) -> str:
    """Wait 50 ms, as for a web service: many threads help, and so would many Celery slots."""
    time.sleep(0.05)
    return f"page {number}"


def count_primes(below: int) -> int:
    """Compute in Python, which holds the GIL: threads do not help, processes do. Take `range(20000,20200)`."""
    sieve = bytearray([1]) * max(2, below)
    sieve[:2] = b"\0\0"
    for number in range(2, int(below**0.5) + 1):
        if sieve[number]:
            for multiple in range(number * number, below, number):
                sieve[multiple] = 0
    return sum(sieve)


def key_of(number: int) -> bytes:
    """Derive a key in C, which releases the GIL: threads help as much as processes."""
    return hashlib.pbkdf2_hmac("sha256", str(number).encode(), b"salt", 20_000)


def brightness(picture: Any) -> float:
    """Take a megabyte and give a number: moving the input costs more than the work. Take `examples.jobs:pictures`."""
    return float(picture.mean())


def noise(seed: int) -> Any:
    """Give a megabyte: moving the output costs more than the work. Needs NumPy."""
    import numpy as np  # noqa: PLC0415 - the others can do without

    return np.random.default_rng(seed).integers(0, 256, (1000, 1000), np.uint8)


def flaky(number: int) -> int:
    """Fail for every tenth input, as some rows of a table do: those fail in the same way in every strategy."""
    if number % 10 == 3:
        raise ValueError(f"cannot take {number}")
    time.sleep(0.005)
    return number


async def poll(number: int) -> int:
    """Wait 50 ms as a coroutine: asyncio does as many at a time as it has slots."""
    await asyncio.sleep(0.05)
    return number


def thumbnail(number: int) -> bytes:
    """Give a thumbnail as a JPEG: imports something heavy, when it is first called. Needs Pillow."""
    import io  # noqa: PLC0415 - as below

    from PIL import Image  # noqa: PLC0415 - heavy: a worker imports it once

    picture = Image.effect_mandelbrot((400, 300), (-2.0, -1.5, 1.0 + number / 1000, 1.5), 30)
    picture.thumbnail((100, 75))
    file = io.BytesIO()
    picture.save(file, "JPEG")
    return file.getvalue()


def pictures() -> Iterator[Any]:
    """Yield inputs for `brightness`: forty arrays of a megabyte. Needs NumPy."""
    return (noise(seed) for seed in range(40))
