"""The plans of `scale` and `breakeven`."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.errors import UsageError
from orchestrator.inputs.source import ORIGIN, Source, kind_of
from orchestrator.model.environment import Preflight, TaskOverhead
from orchestrator.planning.option_checks import check_sweep
from orchestrator.planning.options import Options, parse_slot_counts
from orchestrator.planning.plan import resolve
from orchestrator.planning.sweeps import spaced, with_lengths
from tests.unit.planning.planned import planned


def scale(*slots: int, **options) -> Options:
    return Options("scale", slot_counts=slots, **options)


def breakeven(axis, low=None, high=None, points=7, **options) -> Options:
    return Options("breakeven", axis=axis, low=low, high=high, points=points, **options)


def test_scale_has_every_many_slot_strategy_at_every_number_of_slots_and_serial_once():
    made = planned(scale(1, 2, 4))
    cells = [cell for cell in made.cells if not cell.replica]
    for strategy, transport in (
        ("threads", None),
        ("processes", "pickle"),
        ("processes", "shared-memory"),
        ("celery", "redis"),
    ):
        ours = [cell for cell in cells if (cell.strategy, cell.transport) == (strategy, transport)]
        assert sorted((cell.slots, cell.chunk) for cell in ours) == [(1, 1), (2, 1), (4, 1)]
    assert [cell.slots for cell in cells if cell.strategy == "serial"] == [1]
    assert (made.axis, made.slots, {cell.stage for cell in cells}) == ("slots", 4, {"pipeline"})


def test_scale_refuses_more_slots_than_the_fleet_has():
    with pytest.raises(
        UsageError, match="--slots 8 is more than the 4 slots of this fleet; start more workers"
    ):
        planned(scale(1, 8), fleet_slots=4)


@pytest.mark.parametrize("slots", [(2,), (2, 2)])
def test_one_number_of_slots_makes_no_curve_and_leads_to_run(slots):
    with pytest.raises(
        UsageError, match=r"^--slots 2 is one number of slots.*2,3, or .*'orchestrator run --slots 2'"
    ):
        planned(scale(*slots))


@pytest.mark.parametrize("text", ["", "1,", "a", "1;2", "-1", "1.5", "1,,2"])
def test_a_malformed_list_of_slots_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="list of whole numbers such as 1,2,4"):
        parse_slot_counts(text)


def test_slots_zero_is_out_of_range():
    with pytest.raises(UsageError, match="--slots 0 is out of range"):
        planned(scale(*parse_slot_counts("0,1")))


def test_breakeven_sweeps_the_size_at_log_spaced_points():
    made = planned(breakeven("size", 100, 3200, 6))
    sizes = sorted({cell.width for cell in made.cells})
    assert sizes == [100, 200, 400, 800, 1600, 3200]
    assert all(cell.width == cell.height and cell.latency_ms is None for cell in made.cells)
    for size in sizes:
        strategies = {cell.strategy for cell in made.cells if cell.width == size}
        assert {"serial", "threads", "processes", "celery"} <= strategies


def test_breakeven_sweeps_the_latency():
    made = planned(breakeven("latency", 1, 32, 6))
    assert sorted({cell.latency_ms for cell in made.cells}) == [1, 2, 4, 8, 16, 32]
    assert {cell.width for cell in made.cells} == {None}


def test_breakeven_sweeps_the_chunk_of_celery_alone_on_a_batch_that_fills_it():
    made = planned(breakeven("chunk", 1, 32, 6, slots=2))
    cells = [cell for cell in made.cells if not cell.replica]
    assert sorted(cell.chunk for cell in cells if cell.strategy == "celery") == [1, 2, 4, 8, 16, 32]
    in_process = [cell for cell in cells if not cell.distributed]
    assert sorted(cell.strategy for cell in in_process) == ["processes", "processes", "serial", "threads"]
    assert made.images == 2 * 2 * 32


@pytest.mark.parametrize(
    ("asked", "files", "remedy"),
    [
        ({"images": 20}, 200, "give --images 128"),
        ({"source": "my/pictures"}, 20, "give a folder of at least 128 pictures"),
        ({"source": "my/pictures", "images": 20}, 200, "give --images 128"),
    ],
)
def test_chunks_that_a_batch_does_not_have_are_left_out_with_a_note_and_refused_where_asked_for(
    asked, files, remedy
):
    named = asked.get("source", ORIGIN)
    source = Source(kind_of(named), named, tuple(f"{i}.jpg" for i in range(files)))
    notes = []
    made = resolve(breakeven("chunk", slots=2, **asked), source, note=notes.append)
    assert sorted({cell.chunk for cell in made.cells if cell.distributed}) == [1, 2, 4, 8]
    assert (
        "messages of 16, 32 and 64 tasks are left out, because a batch has 20 tasks for 2 slots; to include them, "
        f"{remedy}" in notes
    )
    with pytest.raises(UsageError, match=f"64 tasks a message: .*; {remedy}, or leave --to out"):
        resolve(breakeven("chunk", high=64, slots=2, **asked), source)


def test_fewer_chunks_than_a_break_even_needs_are_refused():
    with pytest.raises(
        UsageError, match=r"up to 8 tasks a message: a batch has 8 tasks for 2 .*; give --images 16$"
    ):
        planned(breakeven("chunk", slots=2, images=8))


def test_breakeven_sweeps_the_number_of_tasks_of_a_batch():
    made = planned(breakeven("tasks", 2, 64, 6, strategies=("serial", "celery")))
    assert sorted({cell.tasks for cell in made.cells}) == [2, 4, 8, 16, 32, 64]
    assert (made.axis, made.images, {cell.stage for cell in made.cells}) == ("tasks", 64, {"pipeline"})


def test_a_folder_with_too_few_pictures_for_a_sweep_of_the_tasks_is_refused_with_how_many_it_has():
    options = breakeven("tasks", source="my/pictures")
    with pytest.raises(UsageError, match="goes up to 128 tasks, and the source has 1 pictures; give --to 1"):
        resolve(options, Source("directory", "my/pictures", ("a.jpg",)))


def test_breakeven_sweeps_the_length_of_spin_tasks_between_given_ends():
    made = planned(breakeven("work", 1, 32, 6, strategies=("serial", "celery")))
    cells = [cell for cell in made.cells if not cell.replica]
    assert sorted({cell.work_s for cell in cells}) == pytest.approx([0.001 * 2**step for step in range(6)])
    assert {(cell.stage, cell.kernel) for cell in cells} == {("spin", "held")}
    assert {cell.chunk for cell in cells if cell.distributed} == {1, 4}
    assert (made.images, made.efficiency) == (64, 0.5)
    assert made.extra_rounds > 0


def test_without_ends_lengths_surround_what_the_preflight_expects_of_each_strategy():
    made = planned(breakeven("work"))
    kinds = {
        cell
        for cell in made.cells
        if cell.strategy in ("threads", "processes", "celery") and not cell.replica
    }
    assert {cell.work_s for cell in made.cells} == {None}
    costs = {("threads", 1): 2e-5, ("processes", 1): 2e-4, ("celery", 1): 1e-3, ("celery", 4): 3e-4}
    overheads = tuple(
        TaskOverhead(c.strategy, c.slots, c.transport, c.chunk, c.pool, costs[c.strategy, c.chunk])
        for c in kinds
    )
    lengthened = with_lengths(made, Preflight(1e-7, overheads=overheads), 7)
    serial = {cell.work_s for cell in lengthened.cells if cell.strategy == "serial"}
    for strategy, chunk in costs:
        lengths = sorted(
            cell.work_s
            for cell in lengthened.cells
            if (cell.strategy, cell.chunk, cell.replica) == (strategy, chunk, 0)
        )
        assert set(lengths) <= serial
        assert lengths[0] == pytest.approx(costs[strategy, chunk] / 30, rel=0.7)
        if strategy == "celery":
            assert len(lengths) == 7
            assert lengths[-1] == pytest.approx(costs[strategy, chunk] * 10, rel=0.7)
        else:  # compared with Celery where that pays
            assert lengths[-1] == max(serial)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("weight", None, None, 7), "unknown axis 'weight'; choose from size, latency, chunk, tasks, work"),
        (("work", 1, None, 7), "--axis work needs both --from and --to, in ms of work, or neither"),
        (("size", None, None, 5), "--points 5 is out of range; give a whole number from 6"),
        (("size", 100, 100, 6), "--from 100 is not below --to 100"),
        (("size", 1, None, 6), "--from 1 is out of range"),
        (("chunk", 1, 4, 6), "there are not 6 different whole numbers"),
    ],
)
def test_a_nonsensical_sweep_is_refused_with_what_is_allowed(arguments, message):
    with pytest.raises(UsageError, match=message):
        planned(breakeven(*arguments))


@pytest.mark.parametrize(
    ("axis", "source", "reason"),
    [
        ("size", "my/pictures", "its pictures have their own size"),
        ("size", "http://host/{i}.jpg", "its pictures have their own size"),
        ("latency", "http://host/{i}.jpg", "its server has its own latency"),
    ],
)
def test_a_sweep_that_the_source_cannot_follow_is_refused(axis, source, reason):
    with pytest.raises(UsageError, match=f"--axis {axis} cannot sweep .*{reason}; sweep --axis chunk"):
        planned(breakeven(axis, source=source))


@pytest.mark.parametrize(
    ("axis", "source"),
    [("latency", "my/pictures"), ("chunk", "my/pictures"), ("chunk", "http://host/{i}.jpg")],
)
def test_a_sweep_that_the_source_follows_is_planned(axis, source):
    options = breakeven(axis, source=source)
    check_sweep(options)
    assert resolve(options, Source(kind_of(source), source, ("a.jpg",) * 256)).source == source


@given(low=st.floats(0.1, 100), factor=st.floats(2, 1000), points=st.integers(6, 20))
def test_points_rise_from_the_first_to_the_last(low, factor, points):
    values = spaced(low, low * factor, points, whole=False)
    assert len(values) == points
    assert list(values) == sorted(values)
    assert values[0] == pytest.approx(low, rel=1e-3)
    assert values[-1] == pytest.approx(low * factor, rel=1e-3)


@pytest.mark.parametrize(
    ("slots", "chunks", "images"),
    [
        ((1, 2), (), 8),
        ((1, 2, 3, 4), (), 12),
        ((1, 2, 3, 4), (1, 4), 48),
        ((1, 5, 6, 7, 8), (), 32),
        ((1, 2, 3, 4), (7, 9, 10), 160),
        ((1, 4), (10_000,), 100_000),
    ],
)
def test_images_fill_every_number_of_slots_unless_that_takes_too_many(slots, chunks, images):
    assert planned(scale(*slots, chunks=chunks)).images == images


def test_a_given_number_of_images_is_kept():
    assert planned(scale(1, 2, images=7)).images == 7
