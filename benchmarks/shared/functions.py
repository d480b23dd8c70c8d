"""Twenty functions whose right answer is known beforehand; `benchmarks/statistics/known_functions.py` asks for it.

The loops are calibrated by time, so that they compute as long on every machine.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Iterator
from typing import Any

import numpy as np

MEGABYTE = np.arange(1 << 17, dtype=np.int64)


def sleep_1ms(number: int) -> int:
    """Wait 1 ms."""
    time.sleep(0.001)
    return number


def sleep_10ms(number: int) -> int:
    """Wait 10 ms."""
    time.sleep(0.01)
    return number


def sleep_100ms(number: int) -> int:
    """Wait 100 ms."""
    time.sleep(0.1)
    return number


async def coroutine_1ms(number: int) -> int:
    """Wait 1 ms as a coroutine."""
    await asyncio.sleep(0.001)
    return number


async def coroutine_10ms(number: int) -> int:
    """Wait 10 ms as a coroutine."""
    await asyncio.sleep(0.01)
    return number


def _loop(number: int, steps: int) -> int:
    for _ in range(steps):
        number = (number * 1_103_515_245 + 12_345) & 0x7FFF_FFFF
    return number


def loop_1us(number: int) -> int:
    """Compute for about a microsecond."""
    return _loop(number, 10)


def loop_100us(number: int) -> int:
    """Hold the GIL for about 0.1 ms."""
    return _loop(number, 1_200)


def loop_1ms(number: int) -> int:
    """Hold the GIL for about 1 ms."""
    return _loop(number, 12_000)


def loop_10ms(number: int) -> int:
    """Hold the GIL for about 10 ms."""
    return _loop(number, 120_000)


def loop_100ms(number: int) -> int:
    """Hold the GIL for about 100 ms."""
    return _loop(number, 1_200_000)


def hash_10ms(number: int) -> bytes:
    """Compute for about 10 ms with the GIL released."""
    return hashlib.pbkdf2_hmac("sha256", str(number).encode(), b"salt", 8_000)


def hash_megabytes(number: int) -> str:
    """Hash some megabytes with the GIL released."""
    return hashlib.sha256(bytes([number % 256]) * 4_000_000).hexdigest()


def takes_megabyte(values: Any) -> int:
    """Take a megabyte, and do next to nothing with it."""
    return int(values[0])


def gives_megabyte(number: int) -> Any:
    """Give a megabyte, for next to no work."""
    return MEGABYTE + number


def both_megabytes(values: Any) -> Any:
    """Take a megabyte and give one."""
    return values + 1


def memory_bound(number: int) -> int:
    """Read 32 MB of memory."""
    return int(np.full(1 << 22, number, dtype=np.int64).sum())


def fails_tenth(number: int) -> int:
    """Fail for a tenth of the inputs, after 10 ms of waiting."""
    time.sleep(0.01)
    if number % 10 == 3:
        raise ValueError(f"{number}")
    return number


def mixed(number: int) -> int:
    """Wait 5 ms and compute 5 ms."""
    time.sleep(0.005)
    return _loop(number, 60_000)


def nested(number: int) -> dict[str, Any]:
    """Give many small values."""
    return {str(index): [number, index / 7, None] for index in range(200)}


def uneven(number: int) -> int:
    """Wait up to 20 ms, each input as long as it always does."""
    time.sleep((number * 7919 % 20) / 1000)
    return number


def megabytes() -> Iterator[Any]:
    """Yield forty inputs of a megabyte."""
    return (MEGABYTE + number for number in range(40))
