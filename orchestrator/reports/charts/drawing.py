"""A chart, and what stands for it where it cannot be seen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from orchestrator.model import Findings, Run

Spec: TypeAlias = dict[str, Any]
"""A Vega-Lite specification; its colours are names of `look`, such as `var(--celery)`."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One chart with its words.

    `name` is fit for a file name and unique in a report; `caption` may be empty. `description` says in a
    sentence what the chart shows, for who cannot see it; `head` and `rows` are its figures as a table. `spec`
    has no width: whoever shows it sets one.
    """

    name: str
    title: str
    caption: str
    description: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    spec: Spec


Draw: TypeAlias = Callable[[Run, Findings], tuple[Drawing, ...]]
"""The drawings of one kind that a run gives; none where it has nothing for them."""
