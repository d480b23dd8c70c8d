"""From options to a plan: every choice checked and settled before anything starts."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from orchestrator.analysis.verdicts.stopping import LOOKS
from orchestrator.errors import UsageError
from orchestrator.inputs.synthetic import MAX_SIDE, MIN_SIDE, check_size
from orchestrator.model.runs import Cell, Data, Events, Plan
from orchestrator.planning.option_checks import AUTO, check_options
from orchestrator.planning.options import PROFILES, Options, Profile
from orchestrator.strategies import STRATEGIES
from worker.payloads import TRANSPORTS
from worker.remote_control import usable_cpus
from worker.stages import STAGES

T = TypeVar("T")

MAX_IMAGES = 100_000
MAX_SLOTS = 10_000
MAX_ROUNDS = 1_000
TARGET = 0.05
"""How narrow, as a share, intervals are to be where nothing else is asked for."""
BUDGET_S = 300.0
"""How many seconds rounds may be begun where nothing else is asked for."""
PLACEMENTS: tuple[Data, ...] = ("local", "resident")
EVENTS: tuple[Events, ...] = ("on", "off")


def plan(options: Options, fleet_slots: int | None = None) -> Plan:
    """The comparison that `options` ask for.

    Args:
        options: as the user gave them.
        fleet_slots: slots of an external fleet, the default number where there is one.

    Raises:
        UsageError: a name is not known, a number makes no sense, an option would have no effect, or nothing is
            left to compare.
    """
    check_options(options)
    slots = _first(options.slots, fleet_slots, profile_of(options).slots, max(2, min(4, usable_cpus())))
    slots = within("--slots", slots, 1, MAX_SLOTS)
    cells = tuple(cells_of(options, slots))
    if not cells:
        raise UsageError(
            "nothing is left to compare: no chosen strategy can run a chosen kernel; see 'orchestrator list'"
        )
    return frame(options, slots, (*cells, *again(cells)))


def frame(options: Options, slots: int, cells: tuple[Cell, ...]) -> Plan:
    """A plan for `cells`, with everything else as the options and their profile say.

    Raises:
        UsageError: a number makes no sense.
    """
    profile = profile_of(options)
    width, height = parse_size(options.size) if options.size else (profile.width, profile.height)
    rounds, auto = _rounds(options, profile)
    return Plan(
        profile=options.profile,
        seed=within("--seed", options.seed, 0, 2**32 - 1),
        images=within("--images", _first(options.images, profile.images), 1, MAX_IMAGES),
        width=width,
        height=height,
        slots=slots,
        rounds=rounds,
        warmup=within("--warmup", _first(options.warmup, profile.warmup), 0, MAX_ROUNDS),
        source=options.source,
        latency_ms=number("--latency-ms", _first(options.latency_ms, profile.latency_ms), 0.0, 60_000.0),
        bandwidth_mbit=_bandwidth(options, profile),
        cells=cells,
        margin=number("--margin", options.margin, 0.001, 1.0),
        arguments=options.arguments,
        target=number("--target", _first(options.target, TARGET), 0.001, 1.0) if auto else None,
        budget_s=number("--budget", _first(options.budget_s, BUDGET_S), 1.0, 86_400.0) if auto else None,
    )


def profile_of(options: Options) -> Profile:
    """The profile that the options name.

    Raises:
        UsageError: there is none of that name.
    """
    return PROFILES[known("profile", [options.profile], PROFILES)[0]]


def _rounds(options: Options, profile: Profile) -> tuple[int, bool]:
    """How many rounds, at most, and whether fewer may do."""
    asked = options.rounds
    if asked == AUTO:
        return LOOKS[-1], True
    if asked is None:
        return profile.rounds, False
    if not asked.isascii() or not asked.isdigit():
        raise UsageError(f"--rounds {asked!r} is neither 'auto' nor a whole number from 1 to {MAX_ROUNDS}")
    return within("--rounds", int(asked[:9]), 1, MAX_ROUNDS), False


def cells_of(options: Options, slots: int) -> Iterator[Cell]:
    """Every combination that can be run, in the order of the registries.

    Raises:
        UsageError: a name is not known.
    """
    stages = known("stage", options.stages, STAGES) or list(STAGES)
    every_kernel = dict.fromkeys(kernel for stage in stages for kernel in STAGES[stage].kernels)
    _check_kernels(options, stages, every_kernel)
    kernels = known("kernel", options.kernels, every_kernel) or list(every_kernel)
    strategies = known("strategy", options.strategies, STRATEGIES) or [
        name for name, kind in STRATEGIES.items() if kind.in_default_run
    ]
    for stage in stages:
        for kernel in STAGES[stage].kernels:
            if kernel not in kernels:
                continue
            for strategy in strategies:
                kind = STRATEGIES[strategy]
                if kind.batched and kernel not in STAGES[stage].batch_kernels:
                    continue
                if kind.distributed:
                    yield from _distributed_cells(options, Cell(stage, kernel, strategy, slots))
                else:
                    yield Cell(stage, kernel, strategy, slots if kind.many_slots else 1)


def _check_kernels(options: Options, stages: Sequence[str], kernels: Iterable[str]) -> None:
    """Raise `UsageError` where a kernel is another stage's; one that is nobody's is left to `known`."""
    elsewhere = {kernel for stage in STAGES.values() for kernel in stage.kernels}.difference(kernels)
    for name in options.kernels:
        if name in elsewhere:
            have, they = ("has", "it has") if len(stages) == 1 else ("have", "they have")
            raise UsageError(f"{', '.join(stages)} {have} no kernel {name}; {they} {', '.join(kernels)}")


def _distributed_cells(options: Options, cell: Cell) -> Iterator[Cell]:
    """One cell for each way to send the payloads; what stays in the store needs a transport that stores."""
    profile = profile_of(options)
    transports = known("transport", options.transports, TRANSPORTS) or list(profile.transports)
    chunks = [within("--chunk", chunk, 1, MAX_IMAGES) for chunk in options.chunks or profile.chunks]
    placements = known("data", options.data, dict.fromkeys(PLACEMENTS)) or list(profile.data)
    asked = known("events", options.events, EVENTS)
    # Where nothing is asked for, they stay as the fleet has them.
    events: list[Events | None] = [each for each in EVENTS if each in asked] or [None]
    for transport in dict.fromkeys(transports):
        for chunk in dict.fromkeys(chunks):
            for data in PLACEMENTS:
                stays = data == "resident"
                if data in placements and not (stays and transport == "inline"):
                    sent = replace(cell, transport=transport, chunk=chunk, data=data)
                    yield from (replace(sent, events=each) for each in events)


def again(cells: Sequence[Cell]) -> Iterator[Cell]:
    """The second half of the A/A pair: the last distributed cell, or else the last cell, once more."""
    last = next((cell for cell in reversed(cells) if cell.distributed), cells[-1])
    yield replace(last, replica=1)


def known(what: str, names: Sequence[str], allowed: Iterable[str]) -> list[str]:
    """The names, each once.

    Raises:
        UsageError: one is not among those allowed; says which are.
    """
    choices = list(allowed)
    for name in names:
        if name not in choices:
            close = difflib.get_close_matches(name, choices, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise UsageError(f"unknown {what} {name!r}{hint}; choose from {', '.join(choices)}")
    return list(dict.fromkeys(names))


def parse_size(text: str) -> tuple[int, int]:
    """Width and height in pixels from WIDTHxHEIGHT.

    Raises:
        UsageError: it is not of that form, a side is out of range, or there are too many pixels.
    """
    match = re.fullmatch(r"(\d{1,6})[xX](\d{1,6})", text.strip())
    if not match:
        raise UsageError(
            f"--size {text!r} is not WIDTHxHEIGHT with sides of {MIN_SIDE} to {MAX_SIDE} pixels, such as 800x600"
        )
    width, height = int(match[1]), int(match[2])
    try:
        check_size(width, height)
    except UsageError as error:
        raise UsageError(f"--{error}") from None
    return width, height


def _bandwidth(options: Options, profile: Profile) -> float | None:
    asked = profile.bandwidth_mbit if options.bandwidth_mbit is None else options.bandwidth_mbit
    return None if asked is None else number("--bandwidth-mbit", asked, 0.001, 1_000_000.0)


def within(option: str, value: int, low: int, high: int) -> int:
    """The value, if it is within the range.

    Raises:
        UsageError: it is not; says what is.
    """
    if not low <= value <= high:
        raise UsageError(f"{option} {value} is out of range; give a whole number from {low} to {high}")
    return value


def number(option: str, value: float, low: float, high: float) -> float:
    """The value, if it is a number within the range.

    Raises:
        UsageError: it is not; says what is.
    """
    if not math.isfinite(value) or not low <= value <= high:
        raise UsageError(f"{option} {value:g} is out of range; give a number from {low:g} to {high:g}")
    return value


def _first(*values: T | None) -> T:
    """The first value that was given."""
    return next(value for value in values if value is not None)
