"""What a result file may hold: so many values, numbers in their ranges, text that can be shown.

A result file comes from anywhere: from an older release, from a disk that was full, from an issue. Whatever
passes here can be analysed and reported without an overflow, a division by zero or a day's work.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from worker.redaction import redact

MAX_BYTES: Final = 100 << 20
"""Bytes in a file; a result of a thousand rounds of a hundred cells has fewer."""

MOST_VALUES: Final = 5_000_000
"""Values in a file, told from its commas and brackets before any of them takes memory: a hundred bytes each."""

MOST_LEVELS: Final = 12
LONGEST_TEXT: Final = 20_000
LONGEST_PICTURE: Final = 4_000_000

LONGEST_S: Final = 1e9
COUNT: Final = (0, 1e12)
SECONDS: Final = (0, LONGEST_S)
ANY_SECONDS: Final = (-1e12, 1e12)
SHARE: Final = (-1000, 1000)
RATE: Final = (1e-9, 1e18)

RANGES: Final[Mapping[str, tuple[float, float]]] = {
    "schema": (1, 1000),
    "slots": (1, 10_000),
    "chunk": (1, 1_000_000),
    "replica": (0, 100),
    "width": (1, 65_536),
    "height": (1, 65_536),
    "latency_ms": (0, 1e9),
    "bandwidth_mbit": (1e-9, 1e12),
    "seed": (0, 2**32 - 1),
    "images": (1, 1e9),
    "rounds": (0, 1e6),
    "warmup": (0, 1e6),
    "margin": (1e-6, 100),
    "target": (1e-6, 100),
    "budget_s": (1e-6, LONGEST_S),
    "round": (-1e6, 1e6),  # below 0: a warm-up that was disturbed
    "position": (0, 1e6),
    "at_s": SECONDS,
    "makespan_s": (1e-9, LONGEST_S),
    "startup_s": SECONDS,
    "tasks": (1, 1e9),
    "ok": (0, 1e9),
    "failed": (0, 1e9),
    "lost": (0, 1e9),
    "duplicated": (0, 1e9),
    "wrong": (0, 1e9),
    "slots_seen": (0, 1e6),
    "batches": (1, 1e6),
    "task": (0, 2**63 - 1),
    "beyond_bound": COUNT,
    "messages": COUNT,
    "payload_bytes": (0, 2**63),
    "memory_bytes": (0, 2**63),
    "logical": (1, 1e6),
    "usable": (1, 1e6),
    "usable_cpus": (0.001, 1e6),
    "compute_s": SECONDS,
    "compute_cpu_s": SECONDS,
    "publish_s": SECONDS,
    "fetch_s": SECONDS,
    "store_s": SECONDS,
    "collect_s": ANY_SECONDS,
    "slot_s": SECONDS,
    "broker_cpu_s": ANY_SECONDS,
    "queue_s": ANY_SECONDS,
    "return_s": ANY_SECONDS,
    "latency_s": ANY_SECONDS,
    "unexplained_s": ANY_SECONDS,
    "clock_offset_s": ANY_SECONDS,
    "clock_bound_s": SECONDS,
    "timer_resolution_s": SECONDS,
    "broker_rtt_s": SECONDS,
    "noop_task_s": SECONDS,
    "payload_put_bytes_per_s": RATE,
    "payload_get_bytes_per_s": RATE,
    "other": SHARE,
    "steal": SHARE,
    "throttled_s": ANY_SECONDS,
    "mhz": (0, 1e9),
}
"""The least and the most of every figure, by its name; generous, for they are to keep out nonsense alone."""

LISTS: Final[Mapping[str, int]] = {
    "cells": 10_000,
    "samples": 2_000,
    "failures": 100_000,
    "loads": 10_000,
    "workers": 10_000,
    "arguments": 1_000,
    "packages": 1_000,
}
"""The most entries of every list; of samples, as many as there are rounds and as many disturbed ones."""

PICTURES: Final = ("before_png", "after_png")
BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def content_of(path: Path) -> bytes:
    """What is in a file, up to one byte more than there may be; anything else is not waited for.

    Raises:
        OSError: it cannot be read.
        ValueError: it is no file, or such a name cannot be.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with open(descriptor, "rb") as file:  # noqa: PTH123 - opened above, so that a pipe without a writer does not hold us
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("it is no regular file; save it to one first")
        return file.read(MAX_BYTES + 1)


def parsed(content: bytes) -> Any:
    """The document in a file's bytes.

    Raises:
        ValueError: it is no JSON, has a figure that is none, says a thing twice, or too much.
    """
    values = sum(map(content.count, (b",", b"[", b"{")))
    if values > MOST_VALUES:
        raise ValueError(f"it holds more than {MOST_VALUES} values")
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_no_figure, object_pairs_hook=_each_once)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def checked(value: Any, name: str = "", where: str = "", level: int = 0) -> Any:
    """The value with every text in it fit to be shown, if every figure in it is one that can be.

    Args:
        value: from a JSON document.
        name: what it is called there, or what the list is called that it is in.
        where: the names on the way to it.
        level: how many there are.

    Raises:
        ValueError: a figure is out of its range, a list too long, a text too long; says which.
    """
    if level > MOST_LEVELS:
        raise ValueError(f"{where} is nested too deeply")
    if isinstance(value, dict | list) and len(value) > LISTS.get(name, 100):
        raise ValueError(f"{where} has {len(value)} entries; there may be {LISTS.get(name, 100)}")
    if isinstance(value, dict):
        return {
            _text(key, "", where): checked(each, key, f"{where}.{redact(key)}".lstrip("."), level + 1)
            for key, each in value.items()
        }
    if isinstance(value, list):
        return [checked(each, "", f"{where}.{i}".lstrip("."), level + 1) for i, each in enumerate(value)]
    if isinstance(value, str):
        if name in RANGES:
            raise ValueError(f"{where} is {redact(value)!r:.80}, which is no number")
        return _text(value, name, where)
    return _figure(value, name, where)


def _figure(value: Any, name: str, where: str) -> Any:
    """A number, a boolean or nothing; a number within the range of its name."""
    low, high = RANGES.get(name, (-1e18, 1e18))
    if value is None or (isinstance(value, bool) and name not in RANGES):
        return value
    if isinstance(value, bool) or not low <= value <= high:
        raise ValueError(f"{where} is {value!r:.40}; it may be {low:g} to {high:g}")
    return value


def _text(text: str, name: str, where: str) -> str:
    if name in PICTURES:
        if len(text) > LONGEST_PICTURE or not BASE64.fullmatch(text):
            raise ValueError(f"{where} is no picture in base64 of up to {LONGEST_PICTURE} characters")
        return text
    if len(text) > LONGEST_TEXT:
        raise ValueError(f"{where} is a text of {len(text)} characters; it may be {LONGEST_TEXT} long")
    return redact(text)


def _no_figure(name: str) -> NoReturn:
    raise ValueError(f"{name} is no figure")


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ValueError(f"{redact(twice)[:80]!r} is said twice")
    return made
