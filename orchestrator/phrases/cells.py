"""The name of a cell, and what the cells of a run work on."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

from orchestrator.model.runs import DEFAULT_POOL, FUNCTION, Cell, Plan, Run
from orchestrator.phrases.numbers import count, per_second, seconds
from orchestrator.strategies import STRATEGIES

Detail: TypeAlias = Literal["short", "long", "prose"]

PROPER_NAMES: Final = {"celery": "Celery"}


def cell_name(cell: Cell, detail: Detail = "short") -> str:
    """Return the name of a cell.

    `short` where kernel, slots and work stand beside it: `celery redis/4` has transport and chunk;
    `long` where they do not: `celery redis/4, numpy, 64x64, 2 slots`;
    `prose` in a sentence: `Celery with numpy on 2 slots (redis, chunk 4)`.
    """
    if detail == "prose":
        return _in_prose(cell)
    parts = [cell.strategy]
    if cell.style == "idiomatic":
        parts.append(cell.style)
    elif cell.transport is not None:
        short_names = STRATEGIES[cell.strategy].short_transports if cell.strategy in STRATEGIES else {}
        parts.append(f"{short_names.get(cell.transport, cell.transport)}/{cell.chunk}")
    elif cell.chunk is not None and cell.chunk > 1:
        parts.append(f"chunk {cell.chunk}")
    parts += ["stays"] if cell.data == "resident" else []
    parts += ["events"] if cell.events == "on" else []
    parts += [cell.pool] if cell.pool not in (None, DEFAULT_POOL) else []
    parts += ["again"] if cell.replica else []
    short = " ".join(parts)
    if detail == "short":
        return short
    parts = [short, cell.kernel, cell.work, count(cell.slots, "slot"), arrival_rate(cell)]
    return ", ".join(part for part in parts if part)


def in_stage(cell: Cell, detail: Detail = "long") -> str:
    """Return the name of a cell after its stage; a user's function is in the name already."""
    name = cell_name(cell, detail)
    return name if cell.stage == FUNCTION else f"{cell.stage}, {name}"


def unit(plan: Plan) -> str:
    """Return what a batch consists of: images, inputs of a user's function, or tasks of a set length."""
    if plan.function is not None:
        return "input"
    return "task" if plan.cells and all(cell.work_s is not None for cell in plan.cells) else "image"


def more_tasks(stage: str) -> str:
    """Return the option that gives predictions more tasks: of a function they are about all its inputs."""
    return "more --inputs" if stage == FUNCTION else "more --images"


def larger_batch(stage: str) -> str:
    """Return the options that give each batch more tasks."""
    return "more --inputs or a larger --budget" if stage == FUNCTION else "more --images"


def arrival_rate(cell: Cell) -> str:
    """Return the rate at which tasks arrive, such as `40/s`; empty where they are released at once."""
    return "" if cell.rate_per_s is None else per_second(cell.rate_per_s)


def verb(cell: Cell, singular: str, plural: str) -> str:
    """Return the verb form that agrees with the name of a cell: `threads do`, `Celery does`."""
    return plural if cell.strategy.endswith("s") else singular


def _in_prose(cell: Cell) -> str:
    name = f"{PROPER_NAMES.get(cell.strategy, cell.strategy)} with {cell.kernel}"
    if cell.slots > 1:
        name += f" on {cell.slots} slots"
    details = [] if cell.transport is None else [cell.transport]
    details += [] if cell.chunk is None else [f"chunk {cell.chunk}"]
    details += ["data resident"] if cell.data == "resident" else []
    details += ["task events on"] if cell.events == "on" else []
    details += [f"pool {cell.pool}"] if cell.pool not in (None, DEFAULT_POOL) else []
    details += [cell.style] if cell.style != "tuned" else []
    details += ["again"] if cell.replica else []
    return f"{name} ({', '.join(details)})" if details else name


def image_sizes(run: Run) -> str:
    """Return the size of the images, or the range of a sweep of it: `128x96`, `64x64 to 2048x2048`."""
    swept = [(cell.width, cell.height) for cell in run.plan.cells if cell.width and cell.height]
    usual = f"{run.plan.width}x{run.plan.height}"
    if not swept or run.plan.axis is None:
        smaller = "".join(f" ({width}x{height} for slow kernels)" for width, height in dict.fromkeys(swept))
        return f"{usual}{smaller}"
    return " to ".join(f"{width}x{height}" for width, height in dict.fromkeys((min(swept), max(swept))))


def origin_latencies(run: Run) -> str:
    """Return the latency of the origin, or the range of a sweep of it: `5 ms`, `1 to 256 ms`."""
    swept = [cell.latency_ms for cell in run.plan.cells if cell.latency_ms is not None]
    ends = dict.fromkeys((min(swept), max(swept))) if swept else [run.plan.latency_ms]
    return f"{' to '.join(f'{each:g}' for each in ends)} ms"


def task_lengths(run: Run) -> str:
    """Return the length of the tasks of `spin`, or the range of a sweep of it; empty if a run has other stages."""
    lengths = [cell.work_s for cell in run.plan.cells]
    known = [each for each in lengths if each is not None]
    if len(known) < len(lengths) or not known:
        return ""
    return " to ".join(dict.fromkeys(map(seconds, (min(known), max(known)))))
