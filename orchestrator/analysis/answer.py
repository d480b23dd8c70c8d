"""What to use for each stage, whether Celery pays in it and why, and from how many slots elsewhere it would.

Each follows from findings that are there already: verdicts, hops, station times and the COST.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from orchestrator.analysis.hops import HopLedger
from orchestrator.analysis.queueing.service_demands import Demands
from orchestrator.analysis.queueing.stations import StationName, bottleneck
from orchestrator.analysis.scaling.cost import Cost
from orchestrator.analysis.stats.intervals import beyond_one, makespan
from orchestrator.analysis.verdicts.comparability import eligible, obstacle
from orchestrator.analysis.verdicts.selection import Selection, compare_best, select_best
from orchestrator.analysis.verdicts.verdict import BASELINES, candidates
from orchestrator.model.findings import (
    AddedTime,
    Answer,
    Elsewhere,
    Estimate,
    Observation,
    Reason,
    StageAnswer,
    Verdict,
)
from orchestrator.model.runs import Cell, CellResult, Run

STATION_REASONS: Final[dict[StationName, Reason]] = {
    "orchestrator": "publishing",
    "broker": "broker",
    "payload": "payloads",
    "window": "window",
}


def answer(
    run: Run,
    verdicts: Sequence[Verdict],
    costs: Mapping[str, Sequence[Cost]],
    ledgers: Mapping[Cell, HopLedger],
    demands: Demands,
) -> Answer:
    """Return the answer of a run from its findings; without verdicts it has no stages."""
    stages = []
    for verdict in verdicts:
        if verdict.against == "best in-process":
            serial = [each for each in verdicts if each.against == "serial" and each.stage == verdict.stage]
            stages.append(
                _of_stage(
                    run, verdict, next(iter(serial), None), costs.get(verdict.stage, ()), ledgers, demands
                )
            )
    return Answer(tuple(stages), _added(run, ledgers))


def _of_stage(
    run: Run,
    verdict: Verdict,
    serial: Verdict | None,
    costs: Sequence[Cost],
    ledgers: Mapping[Cell, HopLedger],
    demands: Demands,
) -> StageAnswer:
    against_best = [each for each in costs if each.against == "best in-process"]
    here = next((each for each in against_best if not each.elsewhere), None)
    there = next((each for each in against_best if each.elsewhere), here)
    elsewhere = _elsewhere(here, there)
    fastest, speedup = _fastest(run, verdict.stage)
    # A serial cell that is also the best in-process cell is one opponent, which has one figure.
    judged = verdict if serial is None or serial.versus == verdict.versus else serial
    celery_speedup = judged.ratio.inverse if serial is not None and judged.ratio is not None else None
    if verdict.verdict == "helps":
        fastest, speedup = verdict.celery, celery_speedup
    return StageAnswer(
        verdict,
        fastest or verdict.celery,
        speedup,
        celery_speedup,
        _because(run, verdict, ledgers, demands),
        _slots(here),
        _slots(there) if elsewhere == "predicted" else None,
        elsewhere,
    )


def _fastest(run: Run, stage: str) -> tuple[Cell | None, Estimate | None]:
    """Return the in-process cell to use, and its speedup over one thread.

    That is the best one, unless it is not significantly faster than one thread, which is simpler.
    """
    best, serial = (_best(run, stage, against) for against in ("best in-process", "serial"))
    if best is None:
        return None, None
    if serial is None or best.best is serial.best:
        return best.best.cell, None if serial is None else Estimate(1.0)
    ratio = None if obstacle(best, serial) else compare_best(best, serial)
    if ratio is None:
        return best.best.cell, None
    if ratio.level is not None and beyond_one(ratio, run.plan.margin) >= 0:
        return serial.best.cell, Estimate(1.0)
    return best.best.cell, ratio.inverse


def _best(run: Run, stage: str, against: str) -> Selection | None:
    is_baseline = next(side for name, side in BASELINES.items() if name == against)
    return select_best(eligible(candidates(run.compared(stage), is_baseline)))


def _because(run: Run, verdict: Verdict, ledgers: Mapping[Cell, HopLedger], demands: Demands) -> Observation:
    """Return the one reason for a verdict, the closest first: a busy station, moving data, cores, overhead."""
    if verdict.verdict in ("helps", "inconclusive", "invalid"):
        kinds: dict[str, Reason] = {"helps": "fastest", "inconclusive": "undecided", "invalid": "invalid"}
        return Observation(kinds[verdict.verdict])
    ours = next((each for each in run.cells if each.cell == verdict.celery), None)
    if ours is None:
        return Observation("unknown")
    if (station := _busy_station(demands, ours.cell)) is not None:
        return station
    ledger, added_s = ledgers.get(ours.cell), _added_s(ours, ledgers)
    compute_s = None if ledger is None else ledger.seconds("compute")
    if ledger is None or compute_s is None or added_s is None:
        return Observation("unknown")
    moving_s = (ledger.seconds("fetch") or 0.0) + (ledger.seconds("store") or 0.0)
    if moving_s > compute_s:
        return Observation("moving", {"moving_s": moving_s, "work_s": compute_s})
    alone_s = _alone_s(run, ours.cell)
    if alone_s is not None and compute_s - alone_s > added_s:
        return Observation("cores", {"alone_s": alone_s, "work_s": compute_s})
    return Observation("overhead", {"added_s": added_s, "work_s": compute_s})


def _busy_station(demands: Demands, cell: Cell) -> Observation | None:
    """Return the station that limits a Celery cell and its tasks a second, unless that is its slots or cores.

    Other load lengthens every task, so that beside it the station and its limit are not known.
    """
    measured = demands(cell)
    if measured is None:
        return None
    station = bottleneck(measured.network(cell.slots))
    reason = STATION_REASONS.get(station.name)
    if reason is None:
        return None
    if measured.other_load is not None:
        return Observation("unknown", {"other_load": measured.other_load})
    return Observation(reason, {"limit_per_s": station.limit_per_s})


def _alone_s(run: Run, cell: Cell) -> float | None:
    """Return what a task of the same kernel takes in one thread, with nothing beside it."""
    same = (
        each
        for each in eligible(candidates(run.of_work(cell.stage, cell.work), BASELINES["serial"]))
        if each.cell.kernel == cell.kernel
    )
    serial = next(same, None)
    found = None if serial is None else makespan(serial)
    return None if serial is None or found is None else found.point / serial.samples[0].tasks


def _elsewhere(here: Cost | None, there: Cost | None) -> Elsewhere:
    """Return what slots on other machines would do.

    Where the cores are not the limit here, the same number of slots is enough, or is not, elsewhere.
    """
    if here is None or there is None:
        return "unknown"
    if here.kind == "measured":
        return "here already"
    if there.kind == "never":
        return "too short" if there.limited_by == "latency" else "never"
    return "predicted" if there.kind == "predicted" else "unknown"


def _slots(cost: Cost | None) -> int | None:
    return None if cost is None or cost.slots is None else round(cost.slots.point)


def _added(run: Run, ledgers: Mapping[Cell, HopLedger]) -> tuple[AddedTime, ...]:
    """Return what Celery adds to a task, by the tasks in a message: to a short one, where the preflight timed those.

    Otherwise it is that of the stage and kernel where it is least. There the payloads are smallest and the slots wait
    least, so it is the closest to Celery's own work.
    """
    if empty := _added_to_short_tasks(run):
        return empty
    found = {
        result.cell: added_s
        for result in run.cells
        if result.cell.distributed and result.usable and not result.cell.replica
        if (added_s := _added_s(result, ledgers)) is not None and added_s > 0
    }
    if not found:
        return ()
    smallest = min(cell.chunk or 1 for cell in found)
    least = min((cell for cell in found if (cell.chunk or 1) == smallest), key=found.__getitem__)
    alike = [cell for cell in found if replace(cell, chunk=least.chunk) == least]
    return tuple(AddedTime(cell, found[cell]) for cell in sorted(alike, key=lambda cell: cell.chunk or 1))


def _added_to_short_tasks(run: Run) -> tuple[AddedTime, ...]:
    """Return what the preflight found for the first Celery cell with each number of tasks in a message."""
    if run.preflight is None:
        return ()
    by_chunk: dict[int, AddedTime] = {}
    for result in run.cells:
        added_s = run.preflight.overhead_s(result.cell)
        if result.cell.distributed and added_s:
            by_chunk.setdefault(result.cell.chunk or 1, AddedTime(result.cell, added_s, of_short_tasks=True))
    return tuple(by_chunk[chunk] for chunk in sorted(by_chunk))


def _added_s(result: CellResult, ledgers: Mapping[Cell, HopLedger]) -> float | None:
    """Return the seconds of a slot that a task took beyond its computing: everything that Celery adds."""
    found, ledger = makespan(result), ledgers.get(result.cell)
    compute_s = None if ledger is None else ledger.seconds("compute")
    if found is None or compute_s is None:
        return None
    return found.point * result.cell.slots / result.samples[0].tasks - compute_s
