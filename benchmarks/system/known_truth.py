"""Do the models find a bottleneck that is built in, and the makespan that it causes?

    python benchmarks/system/known_truth.py [--quick] [--update-docs]

Real Celery workers do tasks that sleep. One bottleneck is built in for each station:

- publishing, collecting: the orchestrator sleeps 30 ms for each message that it sends, or each result;
- broker: a link in front of it (`shaped_link.py`) takes 1 ms per command, one at a time;
- payload: such a link in front of the payload store carries 16 MB/s each way; tasks fetch and store 200 kB that stay
  there;
- slots: each task sleeps 40 ms.

The model gets these figures, and what an empty task needs when nothing is built in. The bound and the
simulation follow from them, and the median makespan of the real batch is compared with both. Each pair may
differ by at most 10 %, and the built-in bottleneck must be named by the figures, by the simulation, and by the
demands in the batch's own samples. Takes about three minutes on two cores.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import ClassVar
from unittest.mock import patch

from linked_fleet import LinkedFleet, linked_fleet

from orchestrator.analysis.queueing.service_demands import CellDemands, service_demands
from orchestrator.analysis.queueing.simulation import simulate
from orchestrator.analysis.queueing.stations import QueueingNetwork, StationName, bottleneck, throughput_per_s
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.measurement.machine import environment
from orchestrator.measurement.preflight import preflight
from orchestrator.measurement.recorder import Recorder, now
from orchestrator.model.runs import Cell, Data, Plan, Run
from orchestrator.strategies.celery import Celery
from worker.contract import Payload, Task
from worker.payloads import TRANSPORTS
from worker.payloads.redis import Redis
from worker.payloads.transport import PayloadMissingError, Reference

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser

WITHIN = 0.10


@dataclass(frozen=True, slots=True)
class Built:
    """A built-in bottleneck: its station, its name here, its figure, and the batch that goes through it."""

    station: StationName
    name: str
    slots: int
    messages: int
    set_to: str
    sleep_s: float = 0.0
    publish_s: float = 0.0
    collect_s: float = 0.0
    command_s: float = 0.0
    bytes_per_s: float = 0.0
    payload_bytes: int = 0

    @property
    def cell(self) -> Cell:
        """Return the cell."""
        data: Data = "resident" if self.payload_bytes else "local"
        return Cell("diagnostics", self._kernel, "celery", self.slots, "redis", 1, data)

    @property
    def _kernel(self) -> str:
        return "noop" if self.payload_bytes else "sleep"

    def tasks(self) -> tuple[Task, ...]:
        """Return the batch."""
        payload = bytes(self.payload_bytes) if self.payload_bytes else repr(self.sleep_s)
        return tuple(Task(i, "diagnostics", self._kernel, payload) for i in range(self.messages))

    @property
    def empty(self) -> Built:
        """Return the same tasks with nothing built in, for a single slot."""
        plain = Built(self.station, self.name, 1, self.messages, "nothing", payload_bytes=self.payload_bytes)
        return replace(plain, messages=min(self.messages, 100))


BUILT = (
    Built("orchestrator", "publishing", 2, 45, "30 ms a message", publish_s=0.030),
    Built("broker", "broker", 4, 100, "1 ms a command", command_s=0.001),
    Built("payload", "payload", 4, 100, "16 MB/s each way", bytes_per_s=16e6, payload_bytes=200_000),
    Built("slots", "slots", 2, 60, "40 ms a task", sleep_s=0.040),
    Built("orchestrator", "collecting", 2, 45, "30 ms a message", collect_s=0.030),
)


class Slowed(Redis):
    """The orchestrator's payload transport, slowed for each message and each result."""

    publish_s: ClassVar[float] = 0.0
    collect_s: ClassVar[float] = 0.0

    def put_many(self, items: Sequence[tuple[str, Payload]]) -> list[Reference]:
        """Store the inputs of a message, more slowly."""
        time.sleep(self.publish_s)
        return super().put_many(items)

    def get_many(
        self, references: Sequence[Reference], take: bool = False
    ) -> list[Payload | PayloadMissingError]:
        """Fetch the outputs of a result, more slowly."""
        time.sleep(self.collect_s)
        return super().get_many(references, take)


def measured(fleet: LinkedFleet, built: Built, rounds: int) -> Run:
    """Measure the batch of a built-in bottleneck, round after round."""
    workers = tuple(member.as_worker() for member in fleet.workers)
    plan = Plan("", 1, built.messages, 8, 8, built.slots, rounds, 1, "origin", 0.0, None, (built.cell,))
    where = environment(fleet.broker, workers)
    record = Recorder(Run("known-truth", "run", now(), None, False, where, plan))
    fleet.link.set(command_s=built.command_s)
    fleet.payload_link.set(bytes_per_s=built.bytes_per_s)
    record.run = replace(record.run, preflight=preflight(fleet))
    tasks = built.tasks()
    expected = {task.id: task.payload for task in tasks}
    data = built.cell.data or "local"
    with patch.dict(TRANSPORTS, redis=Slowed), Celery(built.slots, fleet, "redis", 1, data) as strategy:
        Slowed.publish_s, Slowed.collect_s = built.publish_s, built.collect_s
        for number in range(-1, rounds):
            before = fleet.link.commands
            sample, failures = measure(strategy, tasks, expected, SamplePosition(number, 0, 0.0))
            fleet.passed = fleet.link.commands - before
            if failures or not sample.correct:
                raise RuntimeError(f"{built.name} gave {sample} with {failures}")
            if number >= 0:
                record.add(built.cell, sample, failures)
    fleet.link.set()
    fleet.payload_link.set()
    return record.as_run(complete=True)


def demands_of(run: Run) -> CellDemands:
    """Return what the run's only cell demands of each station, from its samples."""
    found = service_demands(run.cells, run)
    assert found is not None
    return found


def known(fleet: LinkedFleet, built: Built, rounds: int) -> QueueingNetwork:
    """Return the stations from the built-in figures and the demands of an empty task."""
    base = demands_of(measured(fleet, built.empty, rounds))
    theirs = fleet.passed.theirs / built.empty.messages
    fetched_s = built.payload_bytes / built.bytes_per_s if built.bytes_per_s else 0.0
    plain = base.typical
    found = replace(
        plain,
        publish_s=plain.publish_s + built.publish_s + built.command_s,
        collect_s=plain.collect_s + built.collect_s,
        held_s=plain.held_s + built.sleep_s + 2 * fetched_s,
        overhead_s=plain.overhead_s + theirs * built.command_s,
        broker_s=plain.broker_s + (1 + theirs) * built.command_s,
        payload_s=fetched_s,
    )
    return base.network(built.slots, found)


def named(station: StationName, system: QueueingNetwork) -> str:
    """Return the station; for the orchestrator, the larger half of its work."""
    if station != "orchestrator":
        return station
    return "publishing" if system.publishing_share > 1 / 2 else "collecting"


def main() -> int:
    """Build in, measure, compare; return 1 if a pair differs by more than 10 %, or another bottleneck is named."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options)
    rounds = 2 if options.quick else 9
    fine = True
    page.head(
        "built in", "set to", "bound", "simulated", "measured", "to the bound", "to the simulation", "named"
    )
    with linked_fleet() as fleet:
        for built in BUILT:
            system = known(fleet, built, rounds)
            run = measured(fleet, built, rounds)
            real_s = median(run.cells[0].makespans_s.values())
            simulated = simulate(system, built.messages, "in turn")  # as the link has it
            bound_s = max(built.messages / throughput_per_s(system), system.latency_s)
            seen = demands_of(run).network(built.slots)
            names = (
                named(bottleneck(system).name, system),
                named(simulated.bottleneck, system),
                named(bottleneck(seen).name, seen),
            )
            pairs = (real_s / bound_s, real_s / simulated.makespan_s, simulated.makespan_s / bound_s)
            good = all(1 / (1 + WITHIN) <= pair <= 1 + WITHIN for pair in pairs) and {*names} == {built.name}
            fine &= good
            page.row(
                built.name,
                built.set_to,
                f"{bound_s:.3f} s",
                f"{simulated.makespan_s:.3f} s",
                f"{real_s:.3f} s",
                f"{pairs[0] - 1:+.1%}",
                f"{pairs[1] - 1:+.1%}",
                ", ".join(dict.fromkeys(names)) + ("" if good else " (!)"),
            )
    return page.verdict(fine, "every pair within 10 %, and the built-in bottleneck named.")


if __name__ == "__main__":
    sys.exit(main())
