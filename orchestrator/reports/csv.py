"""CSV: one line per sample with every raw figure, for other tools."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict, fields
from typing import Final

from orchestrator.analysis.analyse import Findings
from orchestrator.model.runs import Cell, MeanHops, Run, Sample
from orchestrator.reports.escaping import in_csv

CELL: Final = tuple(field.name for field in fields(Cell))
NESTED: Final = (
    "hops",
    "service_times_s",
)  # the hops have columns of their own, the times are in the JSON alone
SAMPLE: Final = tuple(field.name for field in fields(Sample) if field.name not in NESTED)
HOPS: Final = tuple(field.name for field in fields(MeanHops))


def render(run: Run, findings: Findings) -> str:
    """Return the samples as CSV with a header; an empty field is a missing value."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*CELL, *SAMPLE, *(f"hops_{name}" for name in HOPS)])
    for result in run.cells:
        for sample in result.taken:
            hops = asdict(sample.hops) if sample.hops is not None else {}
            writer.writerow(
                [in_csv(getattr(result.cell, name)) for name in CELL]
                + [in_csv(getattr(sample, name)) for name in SAMPLE]
                + [hops.get(name) for name in HOPS]
            )
    return text.getvalue()
