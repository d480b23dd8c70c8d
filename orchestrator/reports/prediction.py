"""Predictions as text for people and as a document for programs."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

from orchestrator.analysis.queueing.prediction import StagePrediction
from orchestrator.phrases.prediction import assumptions, prediction_sentence

WIDTH: Final = 80  # columns


def render(found: Sequence[StagePrediction]) -> str:
    """Return the predictions as sentences, then the common assumptions, then those of single stages."""
    sentences = (textwrap.fill(prediction_sentence(each), WIDTH) for each in found)
    of_each = {each.name: assumptions(each.prediction) for each in found}
    first, *others = of_each.values()
    common = [text for text in first if all(text in other for other in others)]
    lines = ["\n\n".join(sentences), "", "Assumptions:", *_bullets(common)]
    for names, own in _own(of_each, common).items():
        lines += [*textwrap.wrap(f"and for {', '.join(names)}:", WIDTH), *_bullets(own)]
    return "\n".join(lines)


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
