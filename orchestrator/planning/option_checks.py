"""Checks before anything starts: known names, numbers in range, and no option without an effect."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, TypeVar, get_args

from orchestrator.errors import UsageError
from orchestrator.inputs import source, spin
from orchestrator.inputs.function_inputs import FORMS
from orchestrator.inputs.source import Source, kind_of
from orchestrator.inputs.synthetic import MAX_SIDE, MIN_SIDE, check_size
from orchestrator.model.runs import ArrivalProcess
from orchestrator.planning import cells, load, sweeps
from orchestrator.planning.options import (
    AUTO,
    BREAKEVEN,
    LOAD,
    MAX_ROUNDS,
    PROFILES,
    RUN,
    SCALE,
    STDOUT,
    Options,
    options_of,
)
from orchestrator.strategies import STRATEGIES, StrategyKind
from worker.functions import NAME
from worker.payloads import TRANSPORTS
from worker.redaction import redact_url
from worker.settings import settings
from worker.stages import DEFAULT_STAGES, STAGES

OF_FUNCTIONS: Final = ("--inputs", "--tasks", "--batch", "--tolerance", "--no-verify", "--dry-run")
OF_PICTURES: Final = (
    "--stage",
    "--kernel",
    "--profile",
    "--images",
    "--size",
    "--source",
    "--latency-ms",
    "--bandwidth-mbit",
)
Number = TypeVar("Number", int, float)


def check(options: Options) -> Source:
    """Check everything that can be wrong before anything starts, and return the source of the images."""
    if options.command == BREAKEVEN:
        check_sweep(options)
    check_effects(options)
    check_values(options)
    options = of_function(options)
    points = sweeps.points_of(options) if options.command == BREAKEVEN else ()
    _check_latency(points[-1] if points and options.axis == "latency" else options.latency_ms or 0.0)
    chosen = options if options.command == RUN else sweeps.with_defaults(options)
    _check_kernels(chosen)
    _check_data(options)
    able = {cell.strategy for cell in cells.cells_of(chosen, 1)}
    if not able:
        raise UsageError(
            "nothing is left to compare: no chosen strategy can run a chosen kernel; see 'orchestrator list'"
        )
    for name in options.strategies:
        if name not in able:
            stages = ", ".join(chosen.stages or DEFAULT_STAGES)
            raise UsageError(
                f"--strategy {name} can run no chosen kernel of {stages}; choose another --stage or --kernel "
                f"('orchestrator list'), or leave --strategy {name} out"
            )
    if options.command == SCALE:
        sweeps.check_slot_counts(chosen)
    if options.command == LOAD:
        load.check_load(options)
    return source.parse(options.source)


def choices() -> Mapping[str, tuple[str, ...]]:
    """Return the names that a user can choose, by kind."""
    return {
        "stage": tuple(name for name, stage in STAGES.items() if not stage.of_user),
        "kernel": tuple(dict.fromkeys(kernel for stage in STAGES.values() for kernel in stage.kernels)),
        "strategy": tuple(STRATEGIES),
        "transport": tuple(dict.fromkeys(name for kind in STRATEGIES.values() for name in kind.transports)),
        "profile": tuple(PROFILES),
        "data": cells.DATA,
        "events": cells.EVENTS,
        "pool": cells.POOLS,
        "axis": tuple(sweeps.RANGES),
        "arrivals": get_args(ArrivalProcess),
    }


def check_values(options: Options) -> None:
    """Check every name and every number by itself."""
    allowed = choices()
    for name, (_, option) in options_of(options.command).items():
        value = getattr(options, name)
        for each in value if isinstance(value, tuple) else () if value is None else (value,):
            if option.choices is not None:
                check_known(option.choices, each, allowed[option.choices])
            if option.limits is not None:
                check_number(option.flag, each, *option.limits)
    if options.size is not None:
        parse_size(options.size)
    if options.rounds is not None and options.rounds != AUTO:
        digits = options.rounds
        if not digits.isascii() or not digits.isdigit():
            raise UsageError(
                f"--rounds {options.rounds!r} is neither 'auto' nor a whole number from 1 to {MAX_ROUNDS}"
            )
        check_number("--rounds", int(digits[:9]), 1, MAX_ROUNDS)


def check_effects(options: Options) -> None:
    """Check that every option makes a difference to what is measured."""
    if options.rounds != AUTO and options.target is not None:
        raise UsageError(
            f"--target {options.target:g} has no effect without --rounds auto; add that, or leave --target out"
        )
    if options.table and options.json == STDOUT:
        raise UsageError(
            "--table has no effect with --json -, which prints no answer; leave one of the two out"
        )
    _check_function(options)
    _check_source(options)
    _check_spin(options)
    _check_strategies(options)
    _check_flower(options)


def check_sweep(options: Options) -> None:
    """Check that a sweep changes the work, and that no option sets what it sweeps."""
    axis = options.axis
    check_known("axis", axis, tuple(sweeps.RANGES))
    _check_swept_source(options.source, axis)
    if axis == "work":
        _check_swept_work(options)
    else:
        _check_sides(options)
    if axis == "latency" and options.stages and not any(_fetches(stage) for stage in options.stages):
        raise UsageError(
            f"--axis latency changes nothing for --stage {options.stages[0]}, which fetches nothing; choose "
            f"{' or '.join(filter(_fetches, STAGES))}, or another --axis"
        )
    if axis == "size" and set(options.stages) == {spin.STAGE}:
        raise UsageError(
            f"--axis size changes nothing for --stage {spin.STAGE}, which needs no picture; choose --axis work"
        )
    own, given = {
        "size": ("--size", options.size),
        "latency": ("--latency-ms", options.latency_ms),
        "chunk": ("--chunk", options.chunks or None),
        "tasks": ("--images", options.images),
        "work": ("--work-ms", options.work_ms),
    }[axis]
    if given is not None:
        raise UsageError(
            f"{own} has no effect with --axis {axis}, which sweeps it; set its ends with --from and --to, or "
            "choose another --axis"
        )


def check_known(kind: str, name: str, allowed: Sequence[str]) -> str:
    """Return the name if it is among those allowed."""
    if name in allowed:
        return name
    close = difflib.get_close_matches(name, allowed, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    raise UsageError(f"unknown {kind} {name!r}{hint}; choose from {', '.join(allowed)}")


def check_number(flag: str, value: Number, low: float, high: float) -> Number:
    """Return the number if it is finite and within the range."""
    if math.isfinite(value) and low <= value <= high:
        return value
    if isinstance(value, int):
        raise UsageError(f"{flag} {value} is out of range; give a whole number from {low} to {high}")
    raise UsageError(f"{flag} {value:g} is out of range; give a number from {low:g} to {high:g}")


def parse_size(text: str) -> tuple[int, int]:
    """Return width and height in pixels from WIDTHxHEIGHT."""
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


def of_function(options: Options) -> Options:
    """Return the options with the stage of `--function`, the function as its kernel and its batch, if there is one."""
    if options.function is None:
        return options
    stage = next(name for name, stage in STAGES.items() if stage.of_user)
    return replace(options, stages=(stage,), kernels=(options.function,), images=options.batch)


def _check_function(options: Options) -> None:
    """Check that options of a function come with one, and that those of pictures do not."""
    known = options_of(options.command).items()
    given = {option.flag for name, (field, option) in known if getattr(options, name) != field.default}
    if options.function is None:
        for flag in OF_FUNCTIONS:
            if flag in given:
                raise UsageError(f"{flag} has no effect without --function; add that, or leave {flag} out")
        return
    _check_function_name(options.function, options.inputs)
    for flag in OF_PICTURES:
        if flag in given:
            raise UsageError(f"{flag} is for pictures, and has no effect with --function; leave it out")
    if options.command == BREAKEVEN and options.axis != "chunk":
        raise UsageError(
            f"--axis {options.axis} sweeps our own stages, not --function {options.function}; give --axis chunk, or "
            "leave --function out"
        )


def _check_function_name(function: str, inputs: str | None) -> None:
    if NAME.fullmatch(function) is None:
        raise UsageError(
            f"--function {function!r:.200} is not PKG.MOD:NAME; write the module and the function, such as "
            "jobs:thumbnail"
        )
    if not inputs:  # "" would name the current folder
        raise UsageError(f"--function {function} needs --inputs: {FORMS}")


def _check_kernels(options: Options) -> None:
    if options.function is not None:
        return
    stages = options.stages or DEFAULT_STAGES
    theirs = dict.fromkeys(kernel for stage in stages for kernel in STAGES[stage].kernels)
    for name in options.kernels:
        if name not in theirs:
            have, they = ("has", "it has") if len(stages) == 1 else ("have", "they have")
            raise UsageError(f"{', '.join(stages)} {have} no kernel {name}; {they} {', '.join(theirs)}")


def _check_latency(latency_ms: float) -> None:
    timeout_s = settings().read_timeout_s
    if latency_ms >= 1000 * timeout_s:
        raise UsageError(
            f"a latency of {latency_ms:g} ms is more than a download waits ({timeout_s:g} s); choose a smaller one, or "
            "set BREAKEVEN_READ_TIMEOUT_S for orchestrator and workers"
        )


def _check_data(options: Options) -> None:
    without = [name for name in options.transports if name in TRANSPORTS and not TRANSPORTS[name].stores]
    if set(options.data) == {"resident"} and without:
        raise UsageError(
            f"--data resident keeps payloads in a store, and --transport {without[0]} has none; add --data local, or "
            f"leave --transport {without[0]} out"
        )


def _check_source(options: Options) -> None:
    kind, named = kind_of(options.source), redact_url(options.source)
    if kind != "origin" and options.size is not None:
        raise UsageError(
            f"--size {options.size} has no effect on --source {named}: its pictures have their own size; "
            "leave one of the two out"
        )
    paces = {"--latency-ms": options.latency_ms, "--bandwidth-mbit": options.bandwidth_mbit}
    for flag, value in paces.items():
        if kind == "template" and value is not None:
            raise UsageError(
                f"{flag} {value:g} has no effect on --source {named}: its server is not ours; leave {flag} "
                "out, or give a directory, which our origin serves"
            )


def _check_spin(options: Options) -> None:
    sweeps_work = options.command == BREAKEVEN and options.axis == "work"
    if options.efficiency is not None and not sweeps_work:
        raise UsageError(
            f"--efficiency {options.efficiency:g} has no effect with --axis {options.axis}; add --axis work"
        )
    if options.work_ms is not None and spin.STAGE not in options.stages:
        raise UsageError(
            f"--work-ms {options.work_ms:g} has no effect without --stage {spin.STAGE}; add that, or leave it out"
        )
    if not sweeps_work and set(options.stages) != {spin.STAGE}:
        return
    for flag, value in {
        "--size": options.size,
        "--latency-ms": options.latency_ms,
        "--bandwidth-mbit": options.bandwidth_mbit,
        "--source": None if kind_of(options.source) == "origin" else redact_url(options.source),
    }.items():
        if value is not None:
            raise UsageError(
                f"{flag} {value} has no effect on stage {spin.STAGE}, which needs no picture; leave {flag} out"
            )


def _check_swept_work(options: Options) -> None:
    """Check a sweep of the task length: its stage, its ends, and that there is a time to compare with."""
    if options.stages and options.stages != (spin.STAGE,):
        raise UsageError(
            f"--axis work sweeps the length of tasks of stage {spin.STAGE}; leave --stage {options.stages[0]} out, or "
            "choose another --axis"
        )
    if (options.low is None) != (options.high is None):
        raise UsageError("--axis work needs both --from and --to, in ms of work, or neither")
    if options.strategies and "serial" not in options.strategies:
        raise UsageError("--axis work compares every strategy with serial; add --strategy serial")
    if options.strategies and not any(
        STRATEGIES[name].many_slots for name in options.strategies if name in STRATEGIES
    ):
        raise UsageError("--axis work needs a strategy with several slots; add --strategy celery")


def _check_strategies(options: Options) -> None:
    if not options.strategies or not all(name in STRATEGIES for name in options.strategies):
        return
    for name in options.strategies:
        if STRATEGIES[name].asynchronous and options.function is None:
            raise UsageError(
                f"--strategy {name} runs coroutines alone; name an async def of yours with --function"
            )
        if STRATEGIES[name].batched and options.function is not None:
            raise UsageError(
                f"--strategy {name} does not apply to --function, which takes one input at a time"
            )
    known = choices()["transport"]
    having: dict[str, tuple[tuple[Any, ...], Callable[[StrategyKind, Any], bool]]] = {
        # An unknown name is reported later, unless no strategy has transports at all.
        "--transport": (
            options.transports,
            lambda kind, name: name in kind.transports or (bool(kind.transports) and name not in known),
        ),
        "--chunk": (options.chunks, lambda kind, _: kind.chunks),
        "--data": (options.data, lambda kind, _: kind.distributed),
        "--events": (options.events, lambda kind, _: kind.distributed),
        "--pool": (options.pools, lambda kind, _: kind.distributed),
    }
    for flag, (values, has) in having.items():
        for value in values:
            if not any(has(STRATEGIES[name], value) for name in options.strategies):
                able = " or ".join(name for name, kind in STRATEGIES.items() if has(kind, value))
                raise UsageError(
                    f"{flag} {value} has no effect on {', '.join(options.strategies)}; "
                    f"add --strategy {able}, or leave {flag} out"
                )


def _check_flower(options: Options) -> None:
    if not options.flower:
        return
    if options.broker is not None:
        raise UsageError(
            "--flower is for embedded workers, and --broker names others; see theirs with "
            "'docker compose up flower' or 'celery -A worker.app flower'"
        )
    sides = _needing_fleet(options.strategies)
    if sides and not any(sides):
        raise UsageError(f"--flower has nothing to show without workers; add --strategy {_distributed()}")


def _check_swept_source(named: str, axis: str) -> None:
    kind = kind_of(named)
    if axis == "size" and kind != "origin":
        raise UsageError(
            f"--axis size cannot sweep --source {redact_url(named)}: its pictures have their own size; "
            "sweep --axis chunk, or leave --source out"
        )
    if axis == "latency" and kind == "template":
        raise UsageError(
            f"--axis latency cannot sweep --source {redact_url(named)}: its server has its own latency; "
            "sweep --axis chunk, or give a directory, which our origin serves"
        )


def _check_sides(options: Options) -> None:
    sides = _needing_fleet(options.strategies)
    if sides and all(sides):
        raise UsageError(
            f"--strategy {options.strategies[0]} alone has nothing to be compared with; add --strategy serial, or "
            "another that runs in-process"
        )
    if sides and not any(sides):
        raise UsageError(
            f"--strategy {options.strategies[0]} without {_distributed()} has no break-even; "
            f"add --strategy {_distributed()}"
        )


def _needing_fleet(strategies: Iterable[str]) -> list[bool]:
    """Whether each strategy uses workers; empty if a name is unknown, which is reported later."""
    known = all(name in STRATEGIES for name in strategies)
    return [STRATEGIES[name].distributed for name in strategies] if known else []


def _distributed() -> str:
    return " or ".join(name for name, kind in STRATEGIES.items() if kind.distributed)


def _fetches(stage: str) -> bool:
    """Whether a stage's tasks fetch from the origin; an unknown stage is reported later."""
    return stage not in STAGES or STAGES[stage].fetches_urls
