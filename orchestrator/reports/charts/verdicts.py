"""Celery's speed against each baseline, stage by stage."""

from __future__ import annotations

from typing import Final

from orchestrator.analysis.analyse import Findings
from orchestrator.model.findings import Estimate, Verdict
from orchestrator.model.runs import Run
from orchestrator.phrases.cells import cell_name
from orchestrator.phrases.charts import speed, verdicts_description, verdicts_legend
from orchestrator.phrases.numbers import NONE, exact_level, ratio_interval
from orchestrator.reports.charts.chart import Chart, Row, Spec, colour, ends, grouped, ratio_rows, ratio_text

SHAPES: Final = {
    "helps": "triangle-right",
    "hurts": "triangle-left",
    "ties": "square",
    "inconclusive": "circle",
    "invalid": "cross",
}


def draw(run: Run, findings: Findings) -> tuple[Chart, ...]:
    """Return one chart of the verdicts that have a ratio."""
    shown = [(verdict, verdict.ratio.inverse) for verdict in findings.verdicts if verdict.ratio is not None]
    if not shown:
        return ()
    return (
        Chart(
            name="verdicts",
            title="How much faster or slower Celery is",
            short="How much faster or slower",
            legend=verdicts_legend(run.plan.margin),
            description=verdicts_description([verdict for verdict, _ in shown]),
            head=("stage", "against", "verdict", "Celery's speed", "interval", "level"),
            rows=tuple(
                (
                    each.subject,
                    each.against,
                    each.verdict,
                    speed(each),
                    ratio_interval(ratio),
                    exact_level(ratio),
                )
                for each, ratio in shown
            ),
            spec=_spec(shown, run.plan.margin),
        ),
    )


def _spec(shown: list[tuple[Verdict, Estimate]], margin: float) -> Spec:
    rows = [Row(each.subject, f"vs {each.against}", speed(each)) for each, _ in shown]
    data = [
        {
            "row": row.key,
            "ratio": ratio.point,
            **ends(ratio),
            "colour": colour(each.verdict),
            "shape": SHAPES[each.verdict],
            "stage": each.subject,
            "verdict": each.verdict,
            "Celery": cell_name(each.celery, "long") if each.celery else NONE,
            "against": cell_name(each.versus, "long") if each.versus else NONE,
            **ratio_text(ratio),
        }
        for (each, ratio), row in zip(shown, rows, strict=True)
    ]
    fields = ("stage", "verdict", "Celery", "against", "times", "interval")
    return ratio_rows(data, grouped(rows), "← Celery slower · faster →", margin, *fields)
