"""The record of a run: it grows sample by sample, and can be frozen into a `Run` at any time."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from orchestrator.model.environment import Load
from orchestrator.model.runs import Cell, CellResult, Run, Sample, TaskFailure


@dataclass
class Recorder:
    """The samples, failures and loads of a run in progress; `run` is what is known from the start."""

    run: Run
    startups: dict[Cell, float] = field(default_factory=dict)
    samples: dict[Cell, list[Sample]] = field(default_factory=dict)
    failures: dict[Cell, dict[int, TaskFailure]] = field(default_factory=dict)
    loads: list[Load] = field(default_factory=list)

    def add(self, cell: Cell, sample: Sample, failures: tuple[TaskFailure, ...]) -> None:
        """Record a sample, disturbed or not, and each task's first failure."""
        self.samples.setdefault(cell, []).append(sample)
        for failure in failures:
            self.failures.setdefault(cell, {}).setdefault(failure.task, failure)

    def as_run(self, complete: bool) -> Run:
        """Return everything recorded so far."""
        results = tuple(self.result(cell) for cell in self.run.plan.cells)
        finished = now() if complete else None
        return replace(
            self.run, cells=results, loads=tuple(self.loads), finished_at=finished, complete=complete
        )

    def result(self, cell: Cell) -> CellResult:
        """Return everything recorded so far of one cell."""
        taken = self.samples.get(cell, ())
        batches = [sample for sample in taken if sample.trace is None]
        return CellResult(
            cell,
            self.startups.get(cell),
            samples=tuple(sample for sample in batches if sample.disturbed is None),
            failures=tuple(self.failures.get(cell, {}).values()),
            disturbed=tuple(sample for sample in batches if sample.disturbed is not None),
            open_loops=tuple(sample for sample in taken if sample.trace is not None),
        )


def now() -> str:
    """Return the time in UTC to the millisecond, as ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
