"""Findings as text and pictures: a new format is one new file and one line here.

A report is a pure function of a run and its findings."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from orchestrator.analysis.analyse import Findings
from orchestrator.model.runs import Run
from orchestrator.reports import csv as csv
from orchestrator.reports import html as html
from orchestrator.reports import markdown as markdown
from orchestrator.reports import pictures as pictures
from orchestrator.reports import terminal as terminal

REPORTS: Mapping[str, Callable[[Run, Findings], str]] = {
    "terminal": terminal.render,
    "markdown": markdown.render,
    "html": html.render,
    "csv": csv.render,
}
PICTURES: Mapping[str, Callable[[Run, Findings], Mapping[str, bytes]]] = {
    "svg": pictures.svg,
    "png": pictures.png,
}
