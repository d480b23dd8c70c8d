"""What was measured and where, how to read its tables, and what went wrong in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from orchestrator.analysis.analyse import Findings
from orchestrator.model.runs import Cell, Run
from orchestrator.phrases.cells import cell_name, image_sizes, in_stage, origin_latencies, task_lengths, unit
from orchestrator.phrases.numbers import count, interval, level, rate, seconds, size
from orchestrator.phrases.verdicts import load_sentence, smallest_sentence
from orchestrator.strategies import STRATEGIES

INCOMPLETE: Final = "the run ended before all rounds were measured"
SPEEDUPS: Final = (
    "serial: times as fast as serial with the same kernel; in-process: as the fastest in-process row."
)
STAYS: Final = "stays: inputs and outputs stay in the payload store, as between stages."
AGAIN: Final = "again: the A/A pair, the same cell measured twice."
EVENTS: Final = "events: workers sent task events, which Flower reads; in other Celery rows they did not."


def workload(run: Run) -> str:
    """Return what was measured: the batch and the rounds."""
    return f"{_batch(run)}, {count(run.plan.rounds, 'round')}"


def machines(run: Run) -> list[str]:
    """Return what it was measured on, in a few short lines."""
    cpu, broker, ahead = run.environment.cpu, run.environment.broker, run.preflight
    lines = [
        f"{cpu.model or 'unknown processor'}, {cpu.usable:g} of {cpu.logical} processors, "
        f"Python {run.environment.python}",
    ]
    if broker is not None:
        workers = run.environment.workers
        slots = count(sum(worker.slots for worker in workers), "slot")
        events = ", task events on" if events_everywhere(run) else ""
        kind = "embedded" if broker.embedded else "external"
        lines.append(
            f"{kind} {broker.name} {broker.version}, {count(len(workers), 'worker')}{quota(run)}, {slots}{events}"
        )
    if ahead is not None and ahead.broker_rtt_s is not None:
        lines.append(
            f"round trip {seconds(ahead.broker_rtt_s)}, empty task {seconds(ahead.noop_task_s)}, payloads "
            f"{rate(ahead.payload_put_bytes_per_s)} in, {rate(ahead.payload_get_bytes_per_s)} out"
        )
    return lines


def _batch(run: Run) -> str:
    """Return what a batch is: `8 images of 128x96 from origin`, `64 inputs of photos/`."""
    plan = run.plan
    if plan.function is not None:
        of_all = f" of the {plan.function.tasks:,}" if plan.function.tasks != plan.images else ""
        return f"{count(plan.images, 'input')}{of_all} in {plan.function.inputs}"
    if lengths := task_lengths(run):
        return f"{count(plan.images, 'task')} of {lengths}"
    of = f" of {image_sizes(run)}" if plan.source == "origin" else ""
    return f"{count(plan.images, 'image')}{of} from {plan.source}"


def quota(run: Run) -> str:
    """Return what the workers have if it is less than this machine: ` of 0.25 processors`."""
    has = sorted({worker.usable_cpus for worker in run.environment.workers})
    if not has or has[0] >= run.environment.cpu.logical:
        return ""
    return f" of {' to '.join(f'{each:g}' for each in (has[0], *has[1:][-1:]))} processors"


def events_everywhere(run: Run) -> bool:
    """Return whether workers sent task events in every cell with workers."""
    asked = {result.cell.events for result in run.cells if result.cell.distributed}
    return asked == {"on"} or (asked == {None} and any(each.events for each in run.environment.workers))


def events_differ(run: Run) -> bool:
    """Return whether workers sent task events in some cells and not in others."""
    return {result.cell.events for result in run.cells} >= {"on", "off"}


def table_legend(run: Run, findings: Findings) -> list[str]:
    """Return what the words in the tables of a run mean."""
    cells = [result.cell for result in run.cells]
    lines = [SPEEDUPS, *_transports(cells), *_idioms(cells)]
    lines += [STAYS] if any(cell.data == "resident" for cell in cells) else []
    lines += [AGAIN] if any(cell.replica for cell in cells) else []
    lines += [EVENTS] if events_differ(run) else []
    of_makespans = level(*findings.makespans.values())
    return [*lines, *([f"± is the {of_makespans} interval."] if of_makespans else [])]


def _transports(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield what one name of a cell with a transport means, and what each transport is."""
    transported = [cell for cell in cells if cell.transport is not None and cell.style == "tuned"]
    for strategy in dict.fromkeys(cell.strategy for cell in transported):
        of_strategy = [cell for cell in transported if cell.strategy == strategy]
        largest = max(of_strategy, key=lambda cell: cell.chunk or 1)
        name = cell_name(Cell("", "", strategy, 1, largest.transport, largest.chunk))
        per = "message" if largest.distributed else "call"
        yield f"{name}: transport {largest.transport}, {count(largest.chunk or 1, 'task')} per {per}."
        kinds = STRATEGIES[strategy].transports if strategy in STRATEGIES else {}
        for transport in dict.fromkeys(cell.transport for cell in of_strategy):
            if transport is not None and transport in kinds:
                yield f"{transport}: {kinds[transport].summary}."


def _idioms(cells: Sequence[Cell]) -> Iterator[str]:
    """Yield what each strategy does as its documentation shows it."""
    for cell in dict.fromkeys(Cell("", "", each.strategy, 1, style=each.style) for each in cells):
        idiom = STRATEGIES[cell.strategy].idiom if cell.strategy in STRATEGIES else None
        if cell.style == "idiomatic" and idiom is not None:
            yield f"{cell_name(cell)}: as its documentation shows it, {idiom.summary}."


def noise_sentence(findings: Findings) -> str:
    """Return how much two measurements of one identical row differ."""
    floor = findings.noise_floor
    if floor is None:
        return "Noise: unknown, because no row was measured twice."
    within = interval(floor, _apart, " to ")
    apart = _apart(max(floor.point, 1 / floor.point))
    return f"Noise: the same row measured twice differs by {apart} %{f' ({within} %)' if within else ''}."


def _apart(ratio: float) -> str:
    return f"{round(100 * (ratio - 1), 1) + 0.0:.2g}"


def warning_count(findings: Findings) -> str:
    """Return how many warnings there are, and where."""
    weaken = "weakens" if len(findings.warnings) == 1 else "weaken"
    return f"{count(len(findings.warnings), 'warning')} {weaken} these figures: --table and the report have them."


def conditions_sentence(findings: Findings) -> str:
    """Return what difference the run could have found, and under what load; empty if neither is known."""
    found, load = findings.smallest_difference, findings.other_load
    smallest = [smallest_sentence(found, len(findings.run.stages))] if found else []
    return " ".join([*smallest, *([load_sentence(load)] if load else [])])


def plan_facts(run: Run) -> list[tuple[str, str]]:
    """Return what was measured, as names and values."""
    plan, cpu = run.plan, run.environment.cpu
    images, source = str(plan.images), plan.source
    if lengths := task_lengths(run):
        images, source = f"{plan.images} of {lengths}", "none: stage spin needs no picture"
    elif plan.function is not None:
        source = f"{plan.function.count:,} in {plan.function.inputs}"
    elif plan.source == "origin":
        images = f"{plan.images} of {image_sizes(run)}"
        source = f"origin, {origin_latencies(run)} latency"
        source += "" if plan.bandwidth_mbit is None else f", {plan.bandwidth_mbit:g} Mbit/s"
    swept = sorted({cell.slots for cell in plan.cells}) if plan.axis == "slots" else [plan.slots]
    measured = max((len(result.counted) for result in run.cells), default=0)
    batch = "" if plan.function is None else ", in turn" if plan.axis == "rate" else " in a batch"
    return [
        (f"{unit(plan)}s{batch}", images),
        ("source" if plan.function is None else "inputs", source),
        ("slots", ", ".join(map(str, swept))),
        ("rounds", str(plan.rounds) if run.complete else f"{measured} of {plan.rounds}"),
        ("processors", f"{cpu.usable:g} of {cpu.logical}"),
    ]


def environment_facts(run: Run) -> list[tuple[str, str]]:
    """Return the machine, the fleet and what they cost before the run, as names and values."""
    where, ahead = run.environment, run.preflight
    facts = [
        ("processor", f"{where.cpu.model or 'unknown'}, {where.cpu.usable:g} of {where.cpu.logical} usable"),
        ("memory", size(where.memory_bytes)),
        ("platform", where.platform),
        ("Python", f"{where.python}{'' if where.gil else ', without the GIL'}"),
    ]
    if where.broker is not None:
        kind = "embedded" if where.broker.embedded else "external"
        facts.append(("broker", f"{where.broker.name} {where.broker.version}, {kind}"))
    for worker in where.workers:
        clock = "" if worker.clock_bound_s is None else f", clock within {seconds(worker.clock_bound_s)}"
        has = f"{count(worker.slots, 'slot')}, {worker.usable_cpus:g} processors, Python {worker.python}"
        events = ", task events on" if worker.events else ""
        facts.append(("worker", f"{worker.name}: {has}{clock}{events}"))
    if ahead is not None:
        facts.append(("timer resolution", seconds(ahead.timer_resolution_s)))
        if ahead.broker_rtt_s is not None:
            facts.append(("broker round trip", seconds(ahead.broker_rtt_s)))
            facts.append(("empty task, end to end", seconds(ahead.noop_task_s)))
            facts.append(("payload into the store", rate(ahead.payload_put_bytes_per_s)))
            facts.append(("payload out of the store", rate(ahead.payload_get_bytes_per_s)))
    versions = ", ".join(f"{name} {version}" for name, version in where.packages.items())
    return [*facts, ("packages", versions)]


@dataclass(frozen=True, slots=True)
class FailureLine:
    """One thing that went wrong, and where."""

    kind: Literal["failed", "invalid"]  # tasks failed, or a cell's times do not count
    message: str
    where: str  # the first cell that it happened in, and how many more


def failure_lines(run: Run) -> tuple[FailureLine, ...]:
    """Return each distinct error of a task once, then the invalid cells."""
    failed: dict[str, list[Cell]] = {}
    for result in run.cells:
        for failure in result.failures:
            cells = failed.setdefault(f"{failure.type}: {failure.message}", [])
            if result.cell not in cells:
                cells.append(result.cell)
    lines = [FailureLine("failed", message, _where(cells)) for message, cells in failed.items()]
    for result in run.cells:
        if not result.correct:
            totals = {
                name: sum(getattr(sample, name) for sample in result.counted)
                for name in ("lost", "duplicated", "wrong")
            }
            counts = ", ".join(f"{total} {name}" for name, total in totals.items() if total)
            lines.append(FailureLine("invalid", counts, in_stage(result.cell)))
    return tuple(lines)


def _where(cells: Sequence[Cell]) -> str:
    more = f" and {count(len(cells) - 1, 'more cell')}" if len(cells) > 1 else ""
    return f"{in_stage(cells[0])}{more}"
