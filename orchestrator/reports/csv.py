"""CSV: one line per sample with every raw figure, for other tools; of a run under load, one line per task."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields
from typing import Any, Final

from orchestrator.analysis.analyse import Findings
from orchestrator.model.runs import Cell, MeanHops, Run, Sample, Stations
from orchestrator.reports.escaping import in_csv

CELL: Final = tuple(field.name for field in fields(Cell))
CELL_HEAD: Final = tuple(
    "cell_tasks" if name == "tasks" else name for name in CELL
)  # a sample has `tasks` too
NESTED: Final = ("hops", "stations", "service_times_s", "trace")  # columns of their own, or in the JSON alone
SAMPLE: Final = tuple(field.name for field in fields(Sample) if field.name not in NESTED)
TASK: Final = ("planned_us", "sent_us", "ended_us", "service_us")
HOPS: Final = tuple(field.name for field in fields(MeanHops))
STATIONS: Final = tuple(field.name for field in fields(Stations))


def render(run: Run, findings: Findings) -> str:
    """Return the samples as CSV with a header; an empty field is a missing value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if run.plan.axis == "rate":
        _write_tasks(run, writer)
        return text.getvalue()
    nested = [*(f"hops_{name}" for name in HOPS), *(f"stations_{name}" for name in STATIONS)]
    writer.writerow([*CELL_HEAD, *SAMPLE, *nested])
    for result in run.cells:
        for sample in result.taken:
            hops = asdict(sample.hops) if sample.hops is not None else {}
            stations = asdict(sample.stations) if sample.stations is not None else {}
            writer.writerow(
                [in_csv(getattr(result.cell, name)) for name in CELL]
                + [in_csv(getattr(sample, name)) for name in SAMPLE]
                + [hops.get(name) for name in HOPS]
                + [stations.get(name) for name in STATIONS]
            )
    return text.getvalue()


def _write_tasks(run: Run, writer: Any) -> None:
    """Write when each task of each open loop arrived, was sent and ended; those below 0 are of the warm-up."""
    writer.writerow([*CELL_HEAD, "round", "position", *TASK, "lost"])
    for result in run.cells:
        cell = [in_csv(getattr(result.cell, name)) for name in CELL]
        for sample in result.open_loops:
            if sample.trace is None:
                continue
            lost = set(sample.trace.lost)
            columns = (getattr(sample.trace, name) for name in TASK)
            for number, times in enumerate(zip(*columns, strict=True)):
                writer.writerow([*cell, sample.round, sample.position, *times, number in lost])
