"""The cells of a comparison: every combination of the choices that can be run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from orchestrator.model.runs import Axis, Cell, Data, Events
from orchestrator.planning.options import PROFILES, Options
from orchestrator.strategies import STRATEGIES
from worker.payloads import TRANSPORTS
from worker.stages import DEFAULT_STAGES, STAGES

DATA: tuple[Data, ...] = ("local", "resident")
EVENTS: tuple[Events, ...] = ("on", "off")


@dataclass(frozen=True, slots=True)
class Layout:
    """The cells of a command, the most slots of any, and the options with the command's own defaults."""

    options: Options
    slots: int
    cells: tuple[Cell, ...]
    axis: Axis | None = None


def cells_of(options: Options, slots: int) -> Iterator[Cell]:
    """Yield every combination that can be run on `slots` slots, in the order of the registries."""
    usual = [name for name, kind in STRATEGIES.items() if kind.in_default_run]
    for stage in dict.fromkeys(options.stages or DEFAULT_STAGES):
        for kernel in STAGES[stage].kernels:
            if options.kernels and kernel not in options.kernels:
                continue
            for strategy in dict.fromkeys(options.strategies or usual):
                kind = STRATEGIES[strategy]
                if kind.batched and kernel not in STAGES[stage].batch_kernels:
                    continue
                cell = Cell(stage, kernel, strategy, slots if kind.many_slots else 1)
                if kind.distributed:
                    yield from _sent(options, cell)
                else:
                    yield cell


def repeated(cells: Sequence[Cell]) -> Cell:
    """Return the second half of the A/A pair: the last distributed cell, else the last cell, again."""
    last = next((cell for cell in reversed(cells) if cell.distributed), cells[-1])
    return replace(last, replica=1)


def _sent(options: Options, cell: Cell) -> Iterator[Cell]:
    """One cell for each way to send the payloads; `resident` needs a transport that stores them."""
    profile = PROFILES[options.profile]
    chosen = options.data or profile.data
    # Where no events are asked for, they stay as the fleet has them.
    events: list[Events | None] = [each for each in EVENTS if each in options.events] or [None]
    for transport in dict.fromkeys(options.transports or profile.transports):
        for chunk in dict.fromkeys(options.chunks or profile.chunks):
            for data in DATA:
                if data in chosen and (data == "local" or TRANSPORTS[transport].stores):
                    sent = replace(cell, transport=transport, chunk=chunk, data=data)
                    yield from (replace(sent, events=each) for each in events)
