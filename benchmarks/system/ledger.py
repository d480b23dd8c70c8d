"""Do the hops of 10,000 Celery tasks add up, and would a wrong clock show?

    python benchmarks/system/ledger.py [--quick] [--update-docs]

Empty tasks and small pictures, by `redis` and `inline`, one and eight per message, on two embedded slots, in
batches of 48, so that some tasks find a free slot and others wait. Twice: with the clock that orchestrator and
workers share, and as if workers were on another machine, with the offset estimated for each batch (its true
value is 0).

Hops and the rest add up to the latency by construction, so these checks can fail instead:

- complete: every task has one outcome, with every hop;
- sum: hops and rest equal the latency within the clock bound; with the estimated clock, the six hops without the rest;
- rest: within 1 % of the latency or 0.1 ms, so that no part of the path is missing;
- signs: no queue, return or rest below minus the bound, and no other hop below zero;
- latency: no task takes longer than its batch had been running, by a stopwatch around it;
- slots: no slot is busy for longer than the batch;
- offset: the estimate is off by no more than its bound.

Then the hops are computed again with clocks that are wrong by 5 and 50 ms: in how many batches does that show?
Goal: all tasks complete, all else right in at least 99.9 %, the rest small in 99 %. Takes about two minutes on
two cores, with --quick 15 seconds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from unittest import mock

import numpy as np

from orchestrator.analysis.hops import LEGS, beyond_bound, mean_hops
from orchestrator.fleet import clock_offset, workers
from orchestrator.fleet.fleet import Fleet
from orchestrator.inputs.synthetic import photograph
from orchestrator.phrases.numbers import seconds as shown
from orchestrator.strategies.celery import Celery
from worker.contract import Hops, Payload, Task

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser
from benchmarks.shared.real_rounds import fleet_of

SLOTS = 2
BATCH = 48
TASKS, QUICK_TASKS = 10_000, 768
NEEDED = 0.999
NEEDED_OF_RESTS = 0.99
SMALL_SHARE, SMALL_S = 0.01, 1e-4
WRONG_BY_S = (-0.050, -0.005, 0.005, 0.050)
HOPS = ("publish_s", "queue_s", "fetch_s", "compute_s", "store_s", "return_s")

WAYS = tuple((transport, chunk) for transport in ("redis", "inline") for chunk in (1, 8))
WORK: dict[str, tuple[str, str, Payload]] = {
    "noop": ("diagnostics", "noop", "nothing"),
    "grayscale": ("grayscale", "numpy", photograph(1, 0, 64, 48)),
}


@dataclass(frozen=True)
class Seen:
    """An outcome: its hops, where it ran, and how long its batch had been running when it came."""

    hops: Hops | None
    slot: str | None
    under_way_s: float


@dataclass(frozen=True)
class BatchSeen:
    """A batch: what it was, its outcomes by task, and the offsets used for its hops."""

    way: str
    tasks: int
    seen: dict[int, list[Seen]]
    makespan_s: float
    offsets: tuple[workers.Offset, ...]

    @property
    def outcomes(self) -> list[Seen]:
        """All outcomes."""
        return [each for several in self.seen.values() for each in several]

    @property
    def hops(self) -> list[Hops]:
        """The hops of the complete ones."""
        return [each.hops for each in self.outcomes if each.hops is not None and _whole(each.hops)]


def batches(fleet: Fleet, tasks: int) -> Iterator[BatchSeen]:
    """Yield batches of about `tasks` tasks in all, of each kind in turn."""
    kinds = [(*way, name) for way in WAYS for name in WORK]
    for number in range(-(-tasks // (BATCH * len(kinds)))):
        for transport, chunk, name in kinds:
            with Celery(SLOTS, fleet, transport, chunk, "local") as strategy:
                yield _batch(fleet, strategy, f"{name}, {transport}, chunk {chunk}", name)
        print(f"batch {number + 1} of each kind", file=sys.stderr, flush=True)


def _batch(fleet: Fleet, strategy: Celery, way: str, name: str) -> BatchSeen:
    stage, kernel, payload = WORK[name]
    tasks = [Task(index, stage, kernel, payload) for index in range(BATCH)]
    fleet.measure_clock_offsets()
    offsets = tuple(each.offset for each in fleet.workers if each.offset is not None)
    strategy.prepare(tasks)
    seen: dict[int, list[Seen]] = defaultdict(list)
    started = time.monotonic()
    for outcome in strategy.run(tasks):
        seen[outcome.task_id].append(Seen(outcome.hops, outcome.slot, time.monotonic() - started))
    return BatchSeen(way, len(tasks), dict(seen), time.monotonic() - started, offsets)


def checks(batch: BatchSeen, exact: bool) -> dict[str, list[bool]]:
    """Return, for each check, whether it holds for each task, slot or clock."""
    whole = [each for each in batch.outcomes if each.hops is not None and _whole(each.hops)]
    return {
        "complete": [_is_complete(batch.seen.get(task, [])) for task in range(batch.tasks)],
        "sum": [_adds_up(each.hops, exact) for each in whole if each.hops is not None],
        "rest": [_is_small(each.hops) for each in whole if each.hops is not None],
        "signs": [not beyond_bound(each.hops) for each in whole if each.hops is not None],
        "latency": [
            (each.hops.latency_s or 0.0) <= each.under_way_s for each in whole if each.hops is not None
        ],
        "slots": [busy <= batch.makespan_s for busy in _busy(whole).values()],
        "offset": [abs(each.offset_s) <= each.bound_s for each in batch.offsets],
    }


def _whole(hops: Hops) -> bool:
    return hops.latency_s is not None and all(getattr(hops, name) is not None for name in HOPS)


def _is_complete(outcomes: Sequence[Seen]) -> bool:
    return len(outcomes) == 1 and outcomes[0].hops is not None and _whole(outcomes[0].hops)


def _adds_up(hops: Hops, exact: bool) -> bool:
    """Return whether the hops add up to the latency within the clock bound."""
    total = sum(getattr(hops, name) for name in HOPS) + ((hops.unexplained_s or 0.0) if exact else 0.0)
    return bool(abs(total - (hops.latency_s or 0.0)) <= (hops.clock_bound_s or 0.0))


def _is_small(hops: Hops) -> bool:
    return abs(hops.unexplained_s or 0.0) <= max(SMALL_S, SMALL_SHARE * (hops.latency_s or 0.0))


def _busy(whole: Sequence[Seen]) -> dict[str | None, float]:
    """Return the seconds that each slot was busy, with the rest."""
    busy: dict[str | None, float] = defaultdict(float)
    for each in whole:
        assert each.hops is not None
        busy[each.slot] += each.hops.fetch_s or 0.0
        busy[each.slot] += each.hops.compute_s + (each.hops.store_s or 0.0) + (each.hops.unexplained_s or 0.0)
    return busy


def shifted(hops: Hops, by_s: float) -> Hops:
    """Return the hops as if the worker's clock were ahead by `by_s` more."""
    assert hops.queue_s is not None
    assert hops.return_s is not None
    return hops._replace(queue_s=hops.queue_s - by_s, return_s=hops.return_s + by_s)


def noticed(found: Sequence[BatchSeen], by_s: float) -> float:
    """Return the share of batches in which a clock wrong by `by_s` shows in a sign."""
    return fmean(any(beyond_bound(shifted(hops, by_s)) for hops in batch.hops) for batch in found)


def measured(fleet: Fleet, tasks: int, exact: bool) -> list[BatchSeen]:
    """Return the batches, with a shared clock or as if workers had another."""
    if exact:
        return list(batches(fleet, tasks))
    with mock.patch.object(clock_offset, "clock_identity", return_value="that of another machine"):
        found = list(batches(fleet, tasks))
    assert all(each.bound_s > clock_offset.SAME_CLOCK_BOUND_S for batch in found for each in batch.offsets)
    return found


def say_checks(page: Page, results: dict[str, dict[str, list[bool]]]) -> None:
    """Print the share of each check that holds."""
    page.head("share that holds", *results)
    for check in next(iter(results.values())):
        page.row(check, *(_share(each[check]) for each in results.values()))


def say_clocks(page: Page, found: dict[str, list[BatchSeen]]) -> None:
    """Print the rest, the clock bounds, and in how many batches a wrong clock shows."""
    page.say()
    page.head("", *found)
    hops = {clock: [hops for batch in each for hops in batch.hops] for clock, each in found.items()}
    rests = {clock: [each.unexplained_s or 0.0 for each in every] for clock, every in hops.items()}
    for name, share in (("median", 50.0), ("99.9 %", 99.9), ("largest", 100.0)):
        page.row(f"rest, {name}", *(shown(float(np.percentile(rests[clock], share))) for clock in found))
    parts = {clock: sum(rests[clock]) / sum(each.latency_s or 0.0 for each in hops[clock]) for clock in found}
    page.row("rest, share of all latency", *(f"{part:.2%}" for part in parts.values()))
    bounds = {clock: [o.bound_s for batch in each for o in batch.offsets] for clock, each in found.items()}
    page.row("clock bound, median", *(shown(median(each)) for each in bounds.values()))
    offs = {
        clock: [abs(o.offset_s) for batch in each for o in batch.offsets] for clock, each in found.items()
    }
    page.row("clock off by, median", *(shown(median(each)) for each in offs.values()))
    page.row("clock off by, largest", *(shown(max(each)) for each in offs.values()))
    for by_s in WRONG_BY_S:
        shares = (f"{noticed(each, by_s):.0%}" for each in found.values())
        page.row(f"batches that show a clock {1e3 * by_s:+.0f} ms wrong", *shares)


def say_ledger(page: Page, found: Sequence[BatchSeen]) -> None:
    """Print the mean hops of a task."""
    page.say()
    page.head("mean of a task", *LEGS, "latency")
    ways: dict[str, list[Hops]] = defaultdict(list)
    for batch in found:
        ways[batch.way] += batch.hops
    for way, hops in sorted(ways.items()):
        means = mean_hops(hops)
        legs = [getattr(means, f"{leg}_s") for leg in (*LEGS, "latency")]
        page.row(way, *(shown(leg) for leg in legs))


def _share(held: Sequence[bool]) -> str:
    return f"{sum(held)} of {len(held)} ({_percent(fmean(held))})" if held else "-"


def _percent(share: float) -> str:
    """Return a share in percent that is never rounded up to 100."""
    return f"{int(1e5 * share) / 1e3:.3f} %"


def options() -> argparse.Namespace:
    """Parse the options."""
    arguments = parser(__doc__)
    arguments.add_argument("--tasks", type=int, default=TASKS, help="tasks with each of the two clocks")
    return arguments.parse_args()


def main() -> int:
    """Print checks, clocks and ledger; return 1 if the goal is missed."""
    asked = options()
    page = Page(__file__, asked)
    tasks = QUICK_TASKS if asked.quick else asked.tasks
    with fleet_of(SLOTS) as fleet:
        found = {
            "clock shared": measured(fleet, tasks, exact=True),
            "clock estimated": measured(fleet, tasks, exact=False),
        }
    results: dict[str, dict[str, list[bool]]] = {}
    for clock, each in found.items():
        held: dict[str, list[bool]] = defaultdict(list)
        for batch in each:
            for check, values in checks(batch, exact=clock == "clock shared").items():
                held[check] += values
        results[clock] = held
    say_checks(page, results)
    say_clocks(page, found)
    say_ledger(page, found["clock shared"])
    needed = {"complete": 1.0, "rest": NEEDED_OF_RESTS}
    missed = [
        f"{check} ({clock})"
        for clock, each in results.items()
        for check, values in each.items()
        if fmean(values) < needed.get(check, NEEDED)
    ]
    return page.verdict(
        not missed,
        f"{', '.join(missed) or 'nothing'} below its goal (complete 100 %, rest {NEEDED_OF_RESTS:.0%}, all else "
        f"{NEEDED:.1%}).",
    )


if __name__ == "__main__":
    sys.exit(main())
