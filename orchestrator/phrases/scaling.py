"""Sentences about slots: how far a curve got, what limits it, and which law it follows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from orchestrator.analysis.queueing.service_demands import Bounds
from orchestrator.analysis.queueing.stations import Station, StationName
from orchestrator.analysis.scaling.ceiling import Ceiling
from orchestrator.analysis.scaling.curves import ScalingCurve
from orchestrator.analysis.scaling.usl import FEWEST_POINTS, Refusal, RefusalKind, Scalability
from orchestrator.model.findings import Estimate
from orchestrator.model.runs import FUNCTION
from orchestrator.phrases.cells import cell_name, verb
from orchestrator.phrases.numbers import count, interval, number, percent, seconds

STATIONS: Final[dict[StationName, str]] = {
    "slots": "the slots",
    "broker": "the broker",
    "payload": "moving payloads",
    "cpu": "the cores that all slots share",
    "window": "the number of messages that may be in flight",
}

SHORT_STATIONS: Final[dict[StationName, str]] = {
    "slots": "slots",
    "orchestrator": "publishing",
    "broker": "broker",
    "payload": "payloads",
    "cpu": "cores",
    "window": "window",
}  # in a table

REMEDIES: Final[dict[StationName, str]] = {
    "slots": "more slots",
    "orchestrator": "a larger --chunk, or --data resident if the data may stay in the payload store",
    "broker": "a larger --chunk, or payloads outside the broker (--transport files)",
    "payload": "--data resident, a faster network, or smaller payloads",
    "cpu": "workers on other machines",
    "window": "a larger --chunk",
}

REFUSALS: Final[dict[RefusalKind, str]] = {
    "too few points": (
        "it was measured on {points} numbers of slots, and any three fit a law of three parameters; measure {needed} "
        "or more"
    ),
    "more slots than cores": (
        "the cores can run {servable} slots of this work at once, so only {points} of {measured} numbers of slots "
        "count, and any three fit a law of three parameters; measure on more cores"
    ),
    "valley": (
        "throughput is lower on {slots} slots than on {before} and on {after}, and the law has no such valley; check "
        "what else changed there"
    ),
    "no common round": "no round measured every number of slots",
    "misfit": (
        "throughputs lie {misfit} off the best curve, because their limit has another form or the rounds vary too much"
    ),
    "noise": "contention may be anything from {low} to {high}; measure more rounds, or slots further apart",
}

MOSTLY: Final = 2 / 3  # share of the orchestrator's time from which only one half of its work is named


def station_name(name: StationName, publishing_share: float) -> str:
    """Return a station's name; for the orchestrator, what it spends its time on."""
    if name != "orchestrator":
        return STATIONS[name]
    half = "publishes" if publishing_share >= 0.5 else "collects results"
    both = 1 - MOSTLY < publishing_share < MOSTLY
    return f"the orchestrator's one thread, which {'publishes and collects' if both else f'mostly {half}'}"


def bounds_sentence(bounds: Bounds) -> str:
    """Say what limits a cell now, whether more slots would help, and about how far by the model."""
    now, later = (
        station_name(each, bounds.publishing_share) for each in (bounds.bottleneck, bounds.next_bottleneck)
    )
    demand = demand_phrase(next(each for each in bounds.stations if each.name == bounds.bottleneck))
    limit = f"on {count(bounds.slots, 'slot')} Celery is limited by {now} ({demand})"
    most = (
        f"with {count(bounds.chunk, 'task')} a message, no number of slots gives a long batch more than about "
        f"{with_interval(bounds.ceiling_per_s)} tasks/s, by the model"
    )
    if bounds.bottleneck != "slots":
        return f"{limit}, so more slots would hardly help: {most}. What would help: {REMEDIES[bounds.bottleneck]}."
    if round(bounds.knee_slots.point) <= bounds.slots:
        return f"{limit}, but more would hardly help: {most}; then the limit is {later}."
    knee = with_interval(bounds.knee_slots, _whole)
    return f"{limit}; more would help up to about {knee}: {most}; then the limit is {later}."


def ceiling_sentence(ceiling: Ceiling) -> str:
    """Say the most that any number of slots gives, and whether that was tried or follows from the model alone."""
    most, limit = with_interval(ceiling.per_s), station_name(ceiling.limited_by, ceiling.publishing_share)
    cell = ceiling.cell
    if ceiling.tried:
        return (
            f"no more than {most} tasks/s, whatever the slots and the chunk, because of {limit}: with up to "
            f"{count(cell.slots, 'slot')} and {count(cell.chunk or 1, 'task')} a message nothing gave more."
        )
    chunk = "any chunk" if ceiling.any_chunk else f"{count(cell.chunk or 1, 'task')} a message"
    return (
        f"about {most} tasks/s at most by the model, on any number of slots with {chunk}, because of {limit}; "
        "more slots and a chunk four times as large would test that."
    )


def other_load_sentence(share: float) -> str:
    """Say why no bound is stated."""
    return (
        f"no bound is stated, because other processes took {percent(share)} of the processors, which lengthens every "
        "task; measure again on a quiet machine."
    )


def law_sentence(law: Scalability | Refusal) -> str:
    """Give the parameters of the Universal Scalability Law, or the reason why it is not fitted."""
    if isinstance(law, Refusal):
        return f"no scalability law is fitted to Celery: {_refusal(law)}."
    parameters = (
        f"one slot does {with_interval(law.lambda_per_s)} tasks/s; contention {with_interval(law.sigma)}, "
        f"coherency {with_interval(law.kappa)}"
    )
    if law.peak_slots is None:
        return f"{parameters}: there is no sign that more slots would ever give less."
    source = "measured" if law.peak_slots.point <= max(law.points) else "extrapolated"
    return f"{parameters}: throughput peaks at about {with_interval(law.peak_slots)} slots ({source})."


def _refusal(refusal: Refusal) -> str:
    shown = {
        name: percent(value) if name == "misfit" else number(value) if value % 1 else f"{value:.0f}"
        for name, value in refusal.figures.items()
    }
    return REFUSALS[refusal.kind].format(needed=FEWEST_POINTS, **shown)


def curve_sentences(curves: Sequence[ScalingCurve]) -> tuple[str, ...]:
    """Describe a stage's curves: the gain of each, then the law and the bounds of Celery's."""
    celery = [curve for curve in curves if curve.cell.distributed]
    sentences = [gains_sentence(curves)] if curves else []
    for curve in celery:
        name = f"{_name(curve)}: " if len(celery) > 1 else ""
        sentences.append(f"{name}{law_sentence(curve.law)}")
        sentences += [] if curve.bounds is None else [f"{name}{bounds_sentence(curve.bounds)}"]
    return tuple(sentences)


def gains_sentence(curves: Sequence[ScalingCurve]) -> str:
    """Say how much each cell of a stage gained from its fewest slots to its most, the highest gain first.

    A curve between other numbers of slots than the first and the last of all says its own.
    """
    ends = min(each.points[0].slots for each in curves), max(each.points[-1].slots for each in curves)
    gains = []
    for curve in sorted(curves, key=_gain, reverse=True):
        first, last = curve.points[0].slots, curve.points[-1].slots
        within = "" if (first, last) == ends else f" from {count(first, 'slot')} to {last}"
        most = curve.points[-1].throughput_per_s.point
        gains.append(
            f"{_name(curve)} {verb(curve.cell, 'does', 'do')} {number(_gain(curve))} times as much{within} "
            f"({number(most)} tasks/s)"
        )
    first, last = ends
    return f"from {count(first, 'slot')} to {last} ({number(last / first)} times as much at best): {'; '.join(gains)}."


def _name(curve: ScalingCurve) -> str:
    return cell_name(replace(curve.cell, slots=1), "prose")  # one slot is not named


def _gain(curve: ScalingCurve) -> float:
    first, last = curve.points[0], curve.points[-1]
    return last.throughput_per_s.point / first.throughput_per_s.point if first.throughput_per_s.point else 0.0


def uneven_slots_sentence(stage: str, tasks: int, slots: Sequence[int]) -> str:
    """Explain why slots that do not divide the batch evenly look worse than they are."""
    choose = "give a number of --inputs that is" if stage == FUNCTION else "choose --images as"
    return (
        f"a batch of {tasks} does not divide evenly among {', '.join(map(str, slots))} slots, so some are idle at its "
        f"end, which looks like contention; {choose} a multiple of every number of slots times the chunk."
    )


def with_interval(estimate: Estimate, show: Callable[[float], str] = number) -> str:
    """Return a figure and its interval, if that has more than the figure: `12.3 (11.9 to 12.8)`."""
    point, within = show(estimate.point), interval(estimate, show, " to ")
    return f"{point} ({within})" if within not in ("", f"{point} to {point}") else point


def demand_phrase(station: Station) -> str:
    """Return a station's time for one task."""
    return f"{seconds(station.demand_s)} a task"


def _whole(value: float) -> str:
    return f"{value:.0f}"
