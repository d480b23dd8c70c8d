"""Verdicts in words: one plain sentence, with the figures that it stands on."""

from __future__ import annotations

from orchestrator.model.findings import Estimate
from orchestrator.model.runs import Cell

NAMES = {"celery": "Celery"}


def cell_phrase(cell: Cell) -> str:
    """A cell as a person says it: `Celery with numpy on 2 slots (redis, chunk 4)`."""
    name = f"{NAMES.get(cell.strategy, cell.strategy)} with {cell.kernel}"
    if cell.slots > 1:
        name += f" on {cell.slots} slots"
    details = [] if cell.transport is None else [cell.transport]
    details += [] if cell.chunk is None else [f"chunk {cell.chunk}"]
    details += ["data resident"] if cell.data == "resident" else []
    details += ["task events on"] if cell.events == "on" else []
    details += ["again"] if cell.replica else []
    return f"{name} ({', '.join(details)})" if details else name


def sent(cell: Cell) -> list[str]:
    """Return how a cell's tasks travel, for a table: `redis/4`, `chunk 4`; empty where tasks go one by one."""
    if cell.transport is not None:
        return [f"{cell.transport}/{cell.chunk}"]
    return [f"chunk {cell.chunk}"] if cell.chunk is not None and cell.chunk > 1 else []


def took(ratio: Estimate, rounds: int, than: str) -> str:
    """How the time compares, from a ratio of times: `took 1.84 times as long as X (...)`."""
    if ratio.point < 1:
        return f"was {figure(1 / ratio.point)} times as fast as {than} ({evidence(ratio.inverse, rounds)})"
    return f"took {figure(ratio.point)} times as long as {than} ({evidence(ratio, rounds)})"


def evidence(ratio: Estimate, rounds: int) -> str:
    """What a ratio stands on: `1.71 to 1.96, 95 % interval, 7 rounds`."""
    if ratio.low is None or ratio.high is None or ratio.level is None:
        return count(rounds, "round")
    return (
        f"{figure(ratio.low)} to {figure(ratio.high)}, {100 * ratio.level:.0f} % interval, "
        f"{count(rounds, 'round')}"
    )


def figure(value: float) -> str:
    """A ratio with as many digits as a person wants."""
    if value < 0.1:
        return f"{value:.2g}"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}" if value < 100 else f"{value:,.0f}"


def percent(share: float) -> str:
    """A share from 0 to 1 in percent: `3.5 %`, `12 %`."""
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"


def count(number: int, noun: str) -> str:
    """A number of things: `1 round`, `7 rounds`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
