"""A chart, and what stands for it where it cannot be seen."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from orchestrator.model.findings import Findings
from orchestrator.model.runs import Run

Spec: TypeAlias = dict[str, Any]
"""A Vega-Lite specification; its colours are names of `look`, such as `var(--celery)`."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One chart with its words.

    `name` is fit for a file name and unique in a report. `title` is for where it stands alone, `short` for
    where the heading of its kind stands above. `legend` says how to read every chart of its kind, `caption`
    what is to be said of this one, if anything; `description` in a sentence what it shows, for who cannot
    see it; `sentences` are the findings that it stands for. `head` and `rows` are its figures as a table.
    `spec` has no width: whoever shows it sets one.
    """

    name: str
    title: str
    short: str
    legend: str
    caption: str
    description: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    spec: Spec
    sentences: tuple[str, ...] = ()


Draw: TypeAlias = Callable[[Run, Findings], tuple[Drawing, ...]]
"""The drawings of one kind that a run gives; none where it has nothing for them."""


def slug(text: str) -> str:
    """A name that is fit for a file name and an id, whatever a result file says."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")
