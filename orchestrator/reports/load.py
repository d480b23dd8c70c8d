"""Latency under load as tables: of the terminal, and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from orchestrator.analysis.analyse import Findings
from orchestrator.analysis.load import QUANTILES, LoadRow
from orchestrator.model.findings import Estimate
from orchestrator.phrases.load import (
    SUSTAINED,
    by_strategy,
    heading_of_load,
    load_legend,
    load_sentences,
    quantile_name,
    where_time_went,
)
from orchestrator.phrases.numbers import NONE, interval, number, per_second, seconds, spread
from orchestrator.reports.escaping import in_markdown

MEDIAN: Final = 0.5
NARROW_QUANTILES: Final = (
    MEDIAN,
    0.95,
    0.99,
)  # that 80 columns have room for, and the median's without interval
COLOURS: Final = {True: "green", False: "red", None: "magenta"}
HEAD: Final = "| strategy | rate | offered | done/s | p50 | p90 | p95 | p99 | max | backlog | sustained |"
RULE: Final = "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |"


def load_report(findings: Findings, wide: bool) -> list[RenderableType]:
    """Return the tables of a run under load, a row a rate, and what follows from them."""
    if not findings.load:
        return []
    parts: list[RenderableType] = [Text(), Text(heading_of_load(findings.run))]
    for name, rows in by_strategy(findings.load).items():
        parts += [Text(), Text(name, style="bold"), _table(rows, wide)]
        parts += [Padding(Text(where_time_went(row), style="dim"), (0, 0, 0, 2)) for row in rows if row.parts]
    return [*parts, Text(), Text("\n".join(load_legend(findings.load)), style="dim")]


def load_markdown(findings: Findings) -> list[str]:
    """Return the lines of Markdown for a run under load."""
    if not findings.load:
        return []
    lines = [f"- {in_markdown(sentence)}" for sentence in load_sentences(findings)]
    lines += ["", f"{heading_of_load(findings.run)}.", "", HEAD, RULE]
    for name, rows in by_strategy(findings.load).items():
        for row in rows:
            latencies = [_with_interval(row.latency_s[quantile]) for quantile in QUANTILES]
            figures = [number(row.achieved_per_s), *latencies, seconds(row.max_s), f"{row.backlog_at_end:,}"]
            cells = [in_markdown(name), per_second(row.rate_per_s), f"{row.offered:,}", *figures]
            lines.append(f"| {' | '.join([*cells, SUSTAINED[row.sustained]])} |")
    lines.append("")
    lines += [
        f"- {in_markdown(name)}, {where_time_went(row)}"
        for name, rows in by_strategy(findings.load).items()
        for row in rows
        if row.parts
    ]
    return [*lines, "", *load_legend(findings.load)]


def _with_interval(latency: Estimate | None) -> str:
    return f"{seconds(latency.point if latency else None)} {interval(latency, seconds)}".strip()


def _table(rows: Sequence[LoadRow], wide: bool) -> Table:
    """Return the rows of a strategy; the columns are the same for every strategy, so that they align."""
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    for name, least in (("rate", 6), ("done/s", 6)):
        table.add_column(name, justify="right", min_width=least, no_wrap=True)
    quantiles = tuple(QUANTILES) if wide else NARROW_QUANTILES
    for quantile in quantiles:
        table.add_column(quantile_name(quantile), justify="right", min_width=7, no_wrap=True)
        if wide or quantile != MEDIAN:
            table.add_column("", min_width=15 if wide else 4, no_wrap=True)
    for name, least in (("max", 7), ("backlog", 7)):
        table.add_column(name, justify="right", min_width=least, no_wrap=True)
    table.add_column("sustained", min_width=9, no_wrap=True)
    for row in rows:
        latencies = []
        for quantile in quantiles:
            latency = row.latency_s[quantile]
            latencies.append(seconds(latency.point) if latency else NONE)
            if wide or quantile != MEDIAN:
                latencies.append(interval(latency, seconds) if wide else spread(latency))
        table.add_row(
            per_second(row.rate_per_s),
            number(row.achieved_per_s),
            *latencies,
            seconds(row.max_s),
            f"{row.backlog_at_end:,}",
            Text(SUSTAINED[row.sustained], style=COLOURS[row.sustained]),
        )
    return table
