"""How many inputs and rounds a budget allows for a user's function, from what serial calls took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil, floor, inf, lcm
from typing import Final

from orchestrator.analysis.load import WARMUP_S
from orchestrator.analysis.scaling.crossover import FEWEST_POINTS
from orchestrator.analysis.verdicts.stopping import LOOKS
from orchestrator.errors import UsageError
from orchestrator.model.runs import Cell, Function
from orchestrator.phrases.function import too_slow
from orchestrator.phrases.numbers import count
from orchestrator.planning.cells import Layout, cells_of
from orchestrator.planning.options import AUTO, FUNCTION_BUDGET_S, LOAD, RUN, SCALE, Options
from orchestrator.planning.sweeps import check_chunks, chunks_within, slot_counts_of
from orchestrator.strategies import STRATEGIES
from worker.remote_control import usable_cpus

FEWEST_ROUNDS: Final = 7  # a verdict needs as many
USUAL_ROUNDS: Final = 11
MOST_ROUNDS: Final = 25
WARM_UPS: Final = 1
STARTUP_S: Final = 9.0  # seconds until a broker, workers and pools of a run are up, about
TRIAL_SHARE: Final = 0.1  # of the budget, for calls before the clock starts
MOST_TASKS: Final = 20_000  # in a batch
MANY_SLOTS: Final = (
    32,
    16,
    8,
)  # tried where a function waits: as many as leave two turns, or one of the fewest
THREAD_S: Final = 60e-6  # what a task costs beside the function, at most: in a pool of threads,
CALL_S: Final = 250e-6  # in a call of a pool of processes,
MESSAGE_S: Final = 2e-3  # in a message of Celery's
RIGHT_OUTPUTS_S: Final = 6.0  # that serial calls may take, to know the outputs of the inputs under load
SEARCH_SAMPLES: Final = 8  # that a search of the largest rate takes of a row, about
BYTES_PER_S: Final = 100e6  # at which payloads cross to other processes, at least


def fitted(options: Options, layout: Layout, tried: Function) -> Options:
    """Return the options with as many inputs and rounds as the budget allows, and the function as it was tried.

    Raises:
        UsageError: not even the fewest fit; the message names the least budget that would do. Or a batch was asked for
            that is larger than the inputs. Or it is no coroutine function, and a strategy was asked for that runs no
            other.
    """
    _check_asynchronous(options, tried)
    if options.batch is not None and options.batch > tried.tasks:
        raise UsageError(
            f"--batch {options.batch} is more than the {count(tried.tasks, 'input')}; give no more"
        )
    if options.command == LOAD:
        return _fitted_to_load(options, layout.cells, tried)
    budget_s = (options.budget_s or FUNCTION_BUDGET_S) / options.sides
    room_s = max(budget_s * 0.3, budget_s * (1 - TRIAL_SHARE) - STARTUP_S)
    asked = None if options.rounds in (None, AUTO) else int(options.rounds or 0)
    warm_ups = WARM_UPS if options.warmup is None else options.warmup
    layout, most_tasks = _with_chunks_that_fit(options, layout, tried, room_s / (FEWEST_ROUNDS + warm_ups))
    cells = layout.cells
    if options.batch is None:
        tasks, rounds = _batch_within(budget_s, room_s, layout, tried, asked, warm_ups)
    else:
        tasks, rounds = options.batch, asked or FEWEST_ROUNDS
    tasks = min(tasks, most_tasks)
    if options.images is not None:  # --batch, or what the other side of a gate has
        tasks = min(options.images, tried.tasks)
    many = _many_slots(options, tried, tasks)
    whole = many or _whole_turns(options, layout.slots, tasks)
    if options.batch is None and tasks < tried.tasks:
        tasks = max(tasks // whole * whole, min(tasks, whole))
    cells = chunks_within(cells, tasks) if layout.axis == "chunk" else cells
    if many is not None:
        cells = tuple(cells_of(replace(options, tried=replace(tried, many_slots=many)), layout.slots))
    per_round_s = round_s(cells, tried, tasks)
    if asked is None:
        rounds = max(rounds, min(MOST_ROUNDS, floor(room_s / per_round_s) - warm_ups))
    most_rounds, measuring_s = rounds + warm_ups, (rounds + warm_ups) * per_round_s
    if options.rounds == AUTO:
        most_rounds, measuring_s = _most_of_auto(
            inf if options.sides > 1 else budget_s, cells, tried, tasks, warm_ups
        )
    known = replace(
        tried,
        many_slots=many,
        calls=tasks * ((len(cells) + 1) * most_rounds + 1),
        about_s=STARTUP_S + tasks * tried.call_s + measuring_s,
    )
    return replace(options, images=tasks, rounds=options.rounds or str(rounds), warmup=warm_ups, tried=known)


def _most_of_auto(
    budget_s: float, cells: Sequence[Cell], tried: Function, tasks: int, warm_ups: int
) -> tuple[int, float]:
    """Return the most rounds that `--rounds auto` may take, were tasks nothing but calls, and the most seconds."""
    most, per_round_s = LOOKS[-1] + warm_ups, round_s(cells, tried, tasks)
    quickest_s = tasks * tried.call_s * sum(1 / cell.slots for cell in (*cells, cells[-1]))
    begun = 1 + budget_s / max(quickest_s, 1e-9)  # the last one may end after the budget
    fewest = 1 + warm_ups  # are taken in any case
    return int(max(fewest, min(most, begun))), max(fewest * per_round_s, min(most * per_round_s, budget_s))


def _whole_turns(options: Options, slots: int, tasks: int) -> int:
    """Return how many inputs fill every slot's turns; of a curve on every number of slots, if a batch has as many."""
    if options.command != SCALE:
        return slots
    whole = lcm(*options.chunks) * lcm(*slot_counts_of(options))
    return whole if whole <= tasks else slots


def _batch_within(
    budget_s: float, room_s: float, layout: Layout, tried: Function, asked: int | None, warm_ups: int
) -> tuple[int, int]:
    """Return how many inputs a batch has, and how many rounds there are, if `asked` is none."""
    cells, rounds = layout.cells, asked or USUAL_ROUNDS
    tasks = _tasks_within(room_s / (rounds + warm_ups), cells, tried)
    if asked is None and tasks < 2 * MANY_SLOTS[0]:
        rounds = FEWEST_ROUNDS
        tasks = _tasks_within(room_s / (rounds + warm_ups), cells, tried)
    fewest = min(tried.tasks, max(cell.slots * (cell.chunk or 1) for cell in cells))
    if tasks >= fewest:
        return tasks, rounds
    fitting, tasks = tasks, fewest
    allowed = floor(room_s / round_s(cells, tried, tasks)) - warm_ups
    if asked is None and allowed < FEWEST_ROUNDS and layout.axis != "chunk":
        tasks = min(tried.tasks, max(layout.slots, fitting))
        allowed = floor(room_s / round_s(cells, tried, tasks)) - warm_ups
    if asked is None and allowed < FEWEST_ROUNDS:
        needed_s = (FEWEST_ROUNDS + warm_ups) * round_s(cells, tried, tasks)
        raise UsageError(
            too_slow(tried, budget_s, (needed_s + STARTUP_S) / (1 - TRIAL_SHARE), len(cells), tasks)
        )
    return tasks, asked or min(rounds, allowed)


def _with_chunks_that_fit(
    options: Options, layout: Layout, tried: Function, seconds: float
) -> tuple[Layout, int]:
    """Leave out the largest chunks until every slot of a round in `seconds` has one of the largest that is left.

    As many chunks as a break-even needs are kept. Returns also the most inputs of a batch: none for the next chunk.
    """
    if layout.axis != "chunk":
        return layout, tried.tasks
    known, most_tasks = replace(options, tried=tried), tried.tasks
    cells = check_chunks(known, layout.cells, options.batch or most_tasks, lambda _: None)
    if options.high is None and options.batch is None and options.rounds in (None, AUTO):
        chunks = sorted({cell.chunk or 1 for cell in cells if cell.distributed})
        for chunk in reversed(chunks[FEWEST_POINTS:]):
            if round_s(cells, tried, layout.slots * chunk) <= seconds:
                break
            most_tasks = layout.slots * chunk - 1
            cells = chunks_within(cells, most_tasks)
    return replace(layout, cells=cells), most_tasks


def _check_asynchronous(options: Options, tried: Function) -> None:
    for name in () if tried.asynchronous else options.strategies:
        if STRATEGIES[name].asynchronous:
            raise UsageError(
                f"{tried.name} is no async def, so --strategy {name} cannot run it; leave that strategy out"
            )


def _fitted_to_load(options: Options, cells: Sequence[Cell], tried: Function) -> Options:
    """Return the options with the inputs that tasks take in turn: no more than arrive, or can be called before."""
    span_s = options.duration_s + WARMUP_S
    samples = SEARCH_SAMPLES if options.rates == AUTO else options.load_rounds
    call_s = max(tried.call_s, THREAD_S)
    arriving = [ceil(span_s * (cell.rate_per_s or cell.slots / call_s)) for cell in cells]
    inputs = options.batch or max(
        1, min(tried.count, MOST_TASKS, max(arriving), floor(RIGHT_OUTPUTS_S / call_s))
    )
    known = replace(
        tried,
        calls=inputs + samples * sum(arriving),
        about_s=STARTUP_S + inputs * tried.call_s + samples * span_s * len(cells),
    )
    return replace(options, images=inputs, tried=known)


def round_s(cells: Sequence[Cell], tried: Function, tasks: int) -> float:
    """Return about how long a round takes, the repeated row of the A/A pair in it."""
    each = [makespan_s(cell, tried, tasks) for cell in cells]
    return sum(each) + each[-1]


def makespan_s(cell: Cell, tried: Function, tasks: int) -> float:
    """Return about how long a batch takes; a function that computes is assumed to hold the GIL."""
    kind = STRATEGIES[cell.strategy]
    busy_s = tried.call_s * (1 - tried.waiting)
    own_s = max(
        tried.call_s / cell.slots, busy_s / (min(cell.slots, usable_cpus()) if kind.own_processes else 1)
    )
    chunk = cell.chunk or 1
    moved_s = (tried.in_bytes + tried.out_bytes) / BYTES_PER_S
    if kind.distributed:
        return tasks * (own_s + MESSAGE_S / chunk + MESSAGE_S / 4 + 2 * moved_s)
    if kind.own_processes:
        return tasks * (own_s + CALL_S / chunk + moved_s)
    return tasks * (own_s + (THREAD_S if kind.many_slots else 0.0))


def _tasks_within(seconds: float, cells: Sequence[Cell], tried: Function) -> int:
    per_task_s = round_s(cells, tried, MOST_TASKS) / MOST_TASKS
    return max(0, min(tried.tasks, MOST_TASKS, floor(seconds / max(per_task_s, 1e-9))))


def _many_slots(options: Options, tried: Function, tasks: int) -> int | None:
    """Return how many slots suit waiting: more than processors, and with two turns each in a batch."""
    if options.command != RUN or not tried.waits:
        return None
    if options.sides > 1:  # both sides of a gate have the same rows
        return None
    usual = options.slots or usable_cpus()
    turns = (
        many for many in MANY_SLOTS if many > usual and (2 if many > MANY_SLOTS[-1] else 1) * many <= tasks
    )
    return next(turns, None)
