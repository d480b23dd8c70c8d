"""Predictions as text for people and as a document for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from orchestrator.analysis.queueing.open_loop import LatencyPredictions
from orchestrator.analysis.queueing.prediction import StagePrediction
from orchestrator.phrases.prediction import (
    LATENCY_HEAD,
    PREDICTION_HEAD,
    assumptions,
    cells_sentence,
    fewest_sentences,
    latency_assumptions,
    latency_row,
    latency_title,
    prediction_row,
    prediction_title,
    refused_sentences,
)

WIDTH: Final = 80  # columns


def render(found: Sequence[StagePrediction]) -> str:
    """Return a row a stage, then which cells these are, then the common assumptions and those of single stages."""
    of_each = {each.name: assumptions(each.prediction) for each in found}
    first, *others = of_each.values()
    common = [text for text in first if all(text in other for other in others)]
    lines = [prediction_title(found), "", *_table([PREDICTION_HEAD, *map(prediction_row, found)]), ""]
    lines += _bullets([cells_sentence(each) for each in found])
    lines += ["", "Assumptions:", *_bullets(common)]
    for names, own in _own(of_each, common).items():
        lines += [*textwrap.wrap(f"and for {', '.join(names)}:", WIDTH), *_bullets(own)]
    return "\n".join(lines)


def render_latency(found: LatencyPredictions) -> str:
    """Return how many slots keep the promise, a row for each rate and number of slots, then the assumptions."""
    lines = textwrap.wrap(latency_title(found), WIDTH)
    lines += ["", *_table([LATENCY_HEAD, *map(latency_row, found.rows)]), ""]
    for sentence in (*fewest_sentences(found), *refused_sentences(found)):
        lines += textwrap.wrap(sentence, WIDTH)
    return "\n".join([*lines, "", "Assumptions:", *_bullets(latency_assumptions(found))])


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _own(
    of_each: dict[str, tuple[str, ...]], common: Sequence[str]
) -> dict[tuple[str, ...], tuple[str, ...]]:
    names: dict[tuple[str, ...], list[str]] = {}
    for name, texts in of_each.items():
        names.setdefault(tuple(text for text in texts if text not in common), []).append(name)
    return {tuple(whose): own for own, whose in names.items() if own}


def _bullets(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in textwrap.wrap(f"- {text}", WIDTH, subsequent_indent="  ")]


def as_document(found: Sequence[StagePrediction]) -> list[dict[str, Any]]:
    """Return the predictions as JSON values."""
    return [
        {
            "stage": each.prediction.cell.stage,
            "cell": asdict(each.prediction.cell),
            "slots": each.prediction.fleet.slots,
            "tasks": each.prediction.tasks,
            "makespan_s": asdict(each.prediction.makespan_s),
            "throughput_per_s": asdict(each.prediction.throughput_per_s),
            "bottleneck": each.prediction.bottleneck.name,
            "sustained_per_s": each.prediction.sustained_per_s,
            "ceiling_per_s": each.prediction.ceiling_per_s,
            "versus": None if each.versus is None else asdict(each.versus),
            "versus_per_s": each.versus_per_s,
            "assumptions": list(assumptions(each.prediction)),
        }
        for each in found
    ]


def latency_document(found: LatencyPredictions) -> dict[str, Any]:
    """Return predicted latencies as JSON values."""
    return {
        "stage": found.cell.stage,
        "cell": asdict(found.cell),
        "tasks": found.tasks,
        "arrivals": found.arrivals,
        "objective": None if found.objective is None else asdict(found.objective),
        "fewest_slots": [{"rate_per_s": rate, "slots": slots} for rate, slots in found.fewest.items()],
        "rows": [
            {
                "rate_per_s": row.rate_per_s,
                "slots": row.slots,
                "utilisation": row.utilisation,
                "latency_s": {
                    f"p{100 * quantile:.0f}": None if each is None else asdict(each)
                    for quantile, each in row.latency_s.items()
                },
                "keeps": row.keeps,
                "breaks_at_per_s": row.breaks_at_per_s,
                "limited_by": row.limited_by.name,
                "processors_busy": row.processors_busy,
            }
            for row in found.rows
        ],
        "assumptions": list(latency_assumptions(found)),
    }
