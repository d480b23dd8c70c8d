"""The cells of a comparison: every combination of the choices that can be run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from orchestrator.model.runs import DEFAULT_POOL, Axis, Cell, Data, Events
from orchestrator.planning.options import PROFILES, Options
from orchestrator.strategies import STRATEGIES, StrategyKind
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
                yield from _variants(options, Cell(stage, kernel, strategy, slots if kind.many_slots else 1))


def repeated(cells: Sequence[Cell]) -> Cell:
    """Return the second half of the A/A pair: the last distributed cell, else the last cell, again."""
    last = next((cell for cell in reversed(cells) if cell.distributed), cells[-1])
    return replace(last, replica=1)


def _variants(options: Options, cell: Cell) -> Iterator[Cell]:
    kind, profile = STRATEGIES[cell.strategy], PROFILES[options.profile]
    for transport in _transports(options, kind):
        for chunk in _chunks(options, kind, cell.slots):
            sent = replace(cell, transport=transport, chunk=chunk)
            if not kind.distributed:
                yield sent
                continue
            for data in DATA:
                if data in (options.data or profile.data) and (
                    data == "local" or TRANSPORTS[transport].stores
                ):
                    # Unless events are asked for, they stay as the fleet has them.
                    for events in [each for each in EVENTS if each in options.events] or (None,):
                        yield replace(sent, data=data, events=events, pool=DEFAULT_POOL)


def _transports(options: Options, kind: StrategyKind) -> Sequence[Any]:
    for names in (options.transports, PROFILES[options.profile].transports, tuple(kind.transports)):
        chosen = [name for name in dict.fromkeys(names) if name in kind.transports]
        if chosen:
            return chosen
    return (None,)


def _chunks(options: Options, kind: StrategyKind, slots: int) -> Iterable[int | None]:
    """The chunks asked for, else the profile's; of those, processes get the largest that leaves work for every slot."""
    if not kind.chunks:
        return (None,)
    profile = PROFILES[options.profile]
    if options.chunks or kind.distributed:
        return dict.fromkeys(options.chunks or profile.chunks)
    images = options.images or profile.images
    return (max(1, min(max(profile.chunks), images // slots)) if kind.own_processes else 1,)
