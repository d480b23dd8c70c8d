"""The cells of a comparison: every combination of the choices that can be run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, get_args

from orchestrator.errors import UnavailableError
from orchestrator.inputs import spin
from orchestrator.model.runs import DEFAULT_POOL, Axis, Cell, Data, Events, Plan, Pool
from orchestrator.planning.options import PROFILES, Options
from orchestrator.strategies import STRATEGIES, StrategyKind
from worker.payloads import TRANSPORTS
from worker.stages import DEFAULT_STAGES, STAGES

DATA: tuple[Data, ...] = ("local", "resident")
EVENTS: tuple[Events, ...] = ("on", "off")
POOLS: tuple[Pool, ...] = get_args(Pool)
SMALL_BYTES: Final = 32_768  # in and out of a user's function, up to which they travel in Celery's messages
LONG_S: Final = 0.05  # seconds of a user's function beyond which several tasks in a message save nothing


@dataclass(frozen=True, slots=True)
class Layout:
    """The cells of a command, the most slots of any, and the options with the command's own defaults."""

    options: Options
    slots: int
    cells: tuple[Cell, ...]
    axis: Axis | None = None
    more: tuple[Cell, ...] = ()  # beside the comparison itself
    note: str | None = None  # what a user may not expect of the cells


def cells_of(options: Options, slots: int) -> Iterator[Cell]:
    """Yield every combination that can be run on `slots` slots, in the order of the registries."""
    coroutines = options.tried is not None and options.tried.asynchronous
    usual = [
        name for name, kind in STRATEGIES.items() if kind.in_default_run or (kind.asynchronous and coroutines)
    ]
    for stage in dict.fromkeys(options.stages or DEFAULT_STAGES):
        work_s = (options.work_ms or spin.DEFAULT_WORK_MS) / 1000 if stage == spin.STAGE else None
        for kernel in options.kernels if STAGES[stage].of_user else STAGES[stage].kernels:
            if options.kernels and kernel not in options.kernels:
                continue
            for strategy in dict.fromkeys(options.strategies or usual):
                kind = STRATEGIES[strategy]
                if kind.batched and kernel not in STAGES[stage].batch_kernels:
                    continue
                if (
                    kind.asynchronous
                    and not coroutines
                    and (options.tried is not None or options.function is None)
                ):
                    continue
                for each in _slot_counts(options, kind, slots):
                    yield from _variants(options, Cell(stage, kernel, strategy, each, work_s=work_s))


def comparison_layout(
    options: Options, slots: int, most_slots: int | None, small: tuple[int, int] | None, own_sizes: bool
) -> Layout:
    """Lay out every combination on `slots` slots, and more rows for an end-to-end stage.

    Args:
        options: as the user gave them.
        slots: how many.
        most_slots: of rows with more slots than processors; `None` for no such rows.
        small: the size of the pictures of slow kernels; `None` where they are like the others.
        own_sizes: whether the pictures have sizes of their own: slow kernels are left out then.
    """
    cells, note = tuple(cells_of(options, slots)), None
    slow = [cell for cell in cells if cell.kernel in STAGES[cell.stage].slow and not options.kernels]
    if small is not None and slow and own_sizes:
        cells = tuple(cell for cell in cells if cell not in slow)
        kernels = dict.fromkeys(cell.kernel for cell in slow)
        note = (
            f"{' and '.join(kernels)} are left out, because a picture may take them seconds; measure them with "
            f"{' '.join(f'--kernel {kernel}' for kernel in kernels)}"
        )
    elif small is not None:
        width, height = small
        cells = tuple(replace(cell, width=width, height=height) if cell in slow else cell for cell in cells)
    return Layout(options, slots, cells, more=tuple(_more_cells(options, slots, most_slots)), note=note)


def _more_cells(options: Options, slots: int, most_slots: int | None) -> Iterator[Cell]:
    """Yield the rows of end-to-end stages on more slots, and as the documentation shows it.

    There are none where the user asks for certain ways.
    """
    if options.transports or options.chunks or options.data or options.events:
        return
    cells = [cell for cell in cells_of(options, slots) if STAGES[cell.stage].end_to_end]
    for cell in cells:
        kind = STRATEGIES[cell.strategy]
        # Processes have nothing to gain: what waits without a processor waits as well in a thread.
        gains = kind.many_slots and (kind.distributed or not kind.own_processes)
        if most_slots is not None and gains and cell.chunk == 1 and cell.pool in (None, DEFAULT_POOL):
            yield replace(cell, slots=most_slots)
    for cell in dict.fromkeys(replace(cell, transport=None, chunk=None) for cell in cells):
        idiom = STRATEGIES[cell.strategy].idiom
        if idiom is not None:
            yield replace(cell, transport=idiom.transport, chunk=1, style="idiomatic")


def repeated(cells: Sequence[Cell]) -> Cell:
    """Return the second half of the A/A pair: a cell again, the last distributed one of the first pool if any is."""
    distributed = [cell for cell in cells if cell.distributed]
    of_pool = [cell for cell in distributed if cell.pool == distributed[0].pool]
    last = (of_pool or cells)[-1]
    return replace(last, replica=1)


def embedded_workers(plan: Plan) -> tuple[int, list[tuple[Pool, int]]]:
    """Return how many prefork workers of one slot a plan needs, and the pool and slots of each further one.

    Of single slots any number can be chosen. A pool of threads is one worker, so there is one for each number of slots.
    """
    slots = {pool: sorted({cell.slots for cell in plan.cells if cell.pool == pool}) for pool in POOLS}
    most = max(slots["prefork"], default=0)
    single = min(most, plan.slots)
    more: list[tuple[Pool, int]] = [("prefork", most - single)] if most > single else []
    more += [("solo", 1)] * max(slots["solo"], default=0)
    return single, [*more, *(("threads", each) for each in slots["threads"])]


def pools_of_fleet(options: Options, slots: Mapping[Pool, int]) -> Options:
    """Return the options with the pools of a fleet that runs already, by which it has `slots`.

    Unless pools are asked for, it is the default one, or the first that the fleet has.

    Raises:
        UnavailableError: the fleet has no worker of a pool that was asked for.
    """
    for pool in options.pools:
        if pool not in slots:
            raise UnavailableError(
                f"no worker on this broker has pool {pool} (they have {', '.join(slots)}); start some with "
                f"'celery -A worker.app worker --pool {pool}', or leave --pool out"
            )
    usual = DEFAULT_POOL if DEFAULT_POOL in slots else next(iter(slots))
    return replace(options, pools=options.pools or (usual,))


def _slot_counts(options: Options, kind: StrategyKind, slots: int) -> Iterator[int]:
    """The slots asked for, and many more where a user's function waits and a slot costs next to nothing."""
    yield slots if kind.many_slots else 1
    cheap = kind.many_slots and not kind.own_processes
    if cheap and options.tried is not None and options.tried.many_slots is not None:
        yield options.tried.many_slots


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
                        for pool in [each for each in POOLS if each in options.pools] or (DEFAULT_POOL,):
                            yield replace(sent, data=data, events=events, pool=pool)


def _transports(options: Options, kind: StrategyKind) -> Sequence[Any]:
    usual = PROFILES[options.profile].transports
    if options.function is not None:  # as its user would: pickled, and in the message if it is small
        tried = options.tried
        small = tried is not None and max(tried.in_bytes, tried.out_bytes) <= SMALL_BYTES
        small = small and "resident" not in options.data  # which a message cannot keep
        usual = ("pickle", *(("inline",) if small else usual))
    for names in (options.transports, usual, tuple(kind.transports)):
        chosen = [name for name in dict.fromkeys(names) if name in kind.transports]
        if chosen:
            return chosen
    return (None,)


def _chunks(options: Options, kind: StrategyKind, slots: int) -> Iterable[int | None]:
    """The chunks asked for, else the profile's; of those, processes get the largest that leaves work for every slot."""
    if not kind.chunks:
        return (None,)
    profile = PROFILES[options.profile]
    if kind.distributed and not options.chunks and options.tried and options.tried.call_s > LONG_S:
        return (1,)
    if options.chunks or kind.distributed:
        return dict.fromkeys(options.chunks or profile.chunks)
    images = options.images or profile.images
    return (max(1, min(max(profile.chunks), images // slots)) if kind.own_processes else 1,)
