"""Options that would change nothing are refused, lest somebody believe that they did.

Only what was asked for is looked at: a profile's own values may be idle.
"""

from __future__ import annotations

from typing import Final

from orchestrator.errors import UsageError
from orchestrator.inputs.source import kind_of
from orchestrator.planning.options import Options
from orchestrator.strategies import STRATEGIES
from worker.redaction import redact
from worker.stages import STAGES

AUTO: Final = "auto"
"""The value of `--rounds` with which a target and a budget end the run."""


def check_options(options: Options) -> None:
    """See that everything that was asked for makes a difference to what is measured.

    Raises:
        UsageError: an option would have no effect; the message names the option that keeps it from having one.
    """
    _check_stopping(options)
    _check_source(options)
    _check_distributed(options)


def check_axis(options: Options, axis: str) -> None:
    """See that a sweep over `axis` (`size`, `latency` or `chunk`) changes the work, and alone sets what it sweeps.

    Raises:
        UsageError: the source or the stages would not follow it, there is nobody to compare, or an option sets
            the very thing that is swept.
    """
    _check_swept_source(options.source, axis)
    _check_sides(options)
    if axis == "latency" and options.stages and not any(_fetches(stage) for stage in options.stages):
        raise UsageError(
            f"--axis latency changes nothing for --stage {options.stages[0]}, which fetches nothing; choose "
            f"{' or '.join(filter(_fetches, STAGES))}, or another --axis"
        )
    swept = {"size": options.size, "latency": options.latency_ms, "chunk": options.chunks or None}
    own = {"size": "--size", "latency": "--latency-ms", "chunk": "--chunk"}[axis]
    if swept[axis] is not None:
        raise UsageError(
            f"{own} has no effect with --axis {axis}, which sweeps it; set its ends with --from and --to, or "
            "choose another --axis"
        )


def _check_stopping(options: Options) -> None:
    if options.rounds == AUTO:
        return
    for option, value in {"--target": options.target, "--budget": options.budget_s}.items():
        if value is not None:
            raise UsageError(
                f"{option} {value:g} has no effect without --rounds auto; add that, or leave {option} away"
            )


def _check_source(options: Options) -> None:
    kind, source = kind_of(options.source), redact(options.source)
    if kind != "origin" and options.size is not None:
        raise UsageError(
            f"--size {options.size} has no effect on --source {source}: a source's pictures have their own size; "
            "leave one of the two away"
        )
    paces = {"--latency-ms": options.latency_ms, "--bandwidth-mbit": options.bandwidth_mbit}
    for option, value in paces.items():
        if kind == "template" and value is not None:
            raise UsageError(
                f"{option} {value:g} has no effect on --source {source}: its server is not ours; leave {option} "
                "away, or give a directory, which our origin serves"
            )


def _check_distributed(options: Options) -> None:
    """What is Celery's alone needs a strategy that sends messages."""
    sends = _sends_messages(options)
    if not sends or any(sends):
        return
    celery_s = {
        "--transport": options.transports,
        "--chunk": options.chunks,
        "--data": options.data,
        "--events": options.events,
    }
    for option, values in celery_s.items():
        if values:
            raise UsageError(
                f"{option} {values[0]} has no effect on {', '.join(options.strategies)}, which send no messages; "
                f"add --strategy celery, or leave {option} away"
            )


def _check_swept_source(source: str, axis: str) -> None:
    """Only our own origin makes sizes and latencies."""
    kind = kind_of(source)
    if axis == "size" and kind != "origin":
        raise UsageError(
            f"--axis size cannot sweep --source {redact(source)}: a source's pictures have their own size; "
            "sweep --axis chunk, or leave --source away"
        )
    if axis == "latency" and kind == "template":
        raise UsageError(
            f"--axis latency cannot sweep --source {redact(source)}: its server's latency is its own; "
            "sweep --axis chunk, or give a directory, which our origin serves"
        )


def _check_sides(options: Options) -> None:
    """A break-even is between Celery and somebody else."""
    sends = _sends_messages(options)
    if sends and all(sends):
        raise UsageError(
            f"--strategy {options.strategies[0]} alone has nobody to be compared with; add --strategy serial, or "
            "another that runs in-process"
        )
    if sends and not any(sends):
        raise UsageError(
            f"--strategy {options.strategies[0]} without celery has no break-even; add --strategy celery"
        )


def _sends_messages(options: Options) -> list[bool]:
    """Of each strategy that was asked for, whether it sends messages; nothing where one is known to nobody."""
    known = all(name in STRATEGIES for name in options.strategies)
    return [STRATEGIES[name].distributed for name in options.strategies] if known else []


def _fetches(stage: str) -> bool:
    """Whether a stage's tasks go to the origin; a stage nobody knows is refused elsewhere."""
    return stage not in STAGES or STAGES[stage].takes == "url"
