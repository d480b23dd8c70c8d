"""From options to a plan: every choice checked and settled before anything starts."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from orchestrator.errors import UsageError
from orchestrator.model import Cell, Data, Plan
from orchestrator.options import PROFILES, Options, Profile
from orchestrator.strategies import STRATEGIES
from worker.payloads import TRANSPORTS
from worker.remote_control import usable_cpus
from worker.stages import STAGES

T = TypeVar("T")

MAX_IMAGES = 100_000
MAX_SLOTS = 10_000
MAX_ROUNDS = 1_000
SIDE = (8, 8192)
PLACEMENTS: tuple[Data, ...] = ("local", "resident")


def plan(options: Options, fleet_slots: int | None = None) -> Plan:
    """The comparison that `options` ask for.

    Args:
        options: as the user gave them.
        fleet_slots: slots of an external fleet, the default number where there is one.

    Raises:
        UsageError: a name is not known, a number makes no sense, or nothing is left to compare.
    """
    profile = PROFILES[_known("profile", [options.profile], PROFILES)[0]]
    width, height = parse_size(options.size) if options.size else (profile.width, profile.height)
    slots = options.slots or fleet_slots or profile.slots or max(2, min(4, usable_cpus()))
    cells = tuple(_cells(options, profile, _within("--slots", slots, 1, MAX_SLOTS)))
    if not cells:
        raise UsageError(
            "nothing is left to compare: no chosen strategy can run a chosen kernel; see 'orchestrator list'"
        )
    return Plan(
        profile=options.profile,
        seed=_within("--seed", options.seed, 0, 2**32 - 1),
        images=_within("--images", _given(options.images, profile.images), 1, MAX_IMAGES),
        width=width,
        height=height,
        slots=slots,
        rounds=_within("--rounds", _given(options.rounds, profile.rounds), 1, MAX_ROUNDS),
        warmup=_within("--warmup", _given(options.warmup, profile.warmup), 0, MAX_ROUNDS),
        source=options.source,
        latency_ms=_number("--latency-ms", _given(options.latency_ms, profile.latency_ms), 0.0, 60_000.0),
        bandwidth_mbit=_bandwidth(options, profile),
        cells=(*cells, *_again(cells)),
        margin=_number("--margin", options.margin, 0.001, 1.0),
        arguments=options.arguments,
    )


def _cells(options: Options, profile: Profile, slots: int) -> Iterator[Cell]:
    """Every combination that can be run, in the order of the registries."""
    stages = _known("stage", options.stages, STAGES) or list(STAGES)
    every_kernel = dict.fromkeys(kernel for stage in stages for kernel in STAGES[stage].kernels)
    kernels = _known("kernel", options.kernels, every_kernel) or list(every_kernel)
    strategies = _known("strategy", options.strategies, STRATEGIES) or list(STRATEGIES)
    for stage in stages:
        for kernel in STAGES[stage].kernels:
            if kernel not in kernels:
                continue
            for strategy in strategies:
                kind = STRATEGIES[strategy]
                if kind.batched and kernel not in STAGES[stage].batch_kernels:
                    continue
                if kind.needs_fleet:
                    yield from _distributed_cells(options, profile, Cell(stage, kernel, strategy, slots))
                else:
                    yield Cell(stage, kernel, strategy, slots if kind.many_slots else 1)


def _distributed_cells(options: Options, profile: Profile, cell: Cell) -> Iterator[Cell]:
    """One cell for each way to send the payloads; what stays in the store needs a transport that stores."""
    transports = _known("transport", options.transports, TRANSPORTS) or list(profile.transports)
    chunks = [_within("--chunk", chunk, 1, MAX_IMAGES) for chunk in options.chunks or profile.chunks]
    placements = _known("data", options.data, dict.fromkeys(PLACEMENTS)) or list(profile.data)
    for transport in dict.fromkeys(transports):
        for chunk in dict.fromkeys(chunks):
            for data in PLACEMENTS:
                stays = data == "resident"
                if data in placements and not (stays and transport == "inline"):
                    yield Cell(cell.stage, cell.kernel, cell.strategy, cell.slots, transport, chunk, data)


def _again(cells: Sequence[Cell]) -> Iterator[Cell]:
    """The second half of the A/A pair: the last distributed cell, or else the last cell, once more."""
    last = next((cell for cell in reversed(cells) if cell.distributed), cells[-1])
    yield Cell(
        last.stage, last.kernel, last.strategy, last.slots, last.transport, last.chunk, last.data, replica=1
    )


def _known(what: str, names: Sequence[str], known: Iterable[str]) -> list[str]:
    """The names, each once, if all are known."""
    choices = list(known)
    for name in names:
        if name not in choices:
            close = difflib.get_close_matches(name, choices, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise UsageError(f"unknown {what} {name!r}{hint}; choose from {', '.join(choices)}")
    return list(dict.fromkeys(names))


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in pixels from WIDTHxHEIGHT.

    Raises:
        UsageError: it is not of that form, or a side is out of range.
    """
    match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", text.strip())
    low, high = SIDE
    if match:
        width, height = int(match[1]), int(match[2])
        if low <= width <= high and low <= height <= high:
            return width, height
    raise UsageError(
        f"--size {text!r} is not WIDTHxHEIGHT with sides of {low} to {high} pixels, such as 800x600"
    )


def _bandwidth(options: Options, profile: Profile) -> float | None:
    asked = _given(options.bandwidth_mbit, profile.bandwidth_mbit)
    return None if asked is None else _number("--bandwidth-mbit", asked, 0.001, 1_000_000.0)


def _within(option: str, value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise UsageError(f"{option} {value} is out of range; give a whole number from {low} to {high}")
    return value


def _number(option: str, value: float, low: float, high: float) -> float:
    if not math.isfinite(value) or not low <= value <= high:
        raise UsageError(f"{option} {value:g} is out of range; give a number from {low:g} to {high:g}")
    return value


def _given(value: T | None, default: T) -> T:
    return default if value is None else value
