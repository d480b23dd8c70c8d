from dataclasses import replace

import numpy as np
import pytest

from orchestrator.analysis.queueing.makespan_model import makespan_s
from orchestrator.analysis.queueing.prediction import HypotheticalFleet, predict
from orchestrator.analysis.queueing.service_demands import service_demands
from orchestrator.analysis.queueing.service_times import are_unequal, packed, turns, unequal_batches
from orchestrator.analysis.queueing.simulation import simulate
from orchestrator.analysis.queueing.stations import QueueingNetwork
from orchestrator.model.runs import CellResult, Run, Sample
from tests.unit.analysis.made_fleets import CELERY, celery_result, fleet_run

EVERY_EIGHTH_S = (0.03,) * 7 + (0.3,)


def sample(times_s: tuple[float, ...], tasks: int | None = None) -> Sample:
    count = tasks or len(times_s)
    return Sample(0, 0, 0.0, 1.0, count, count, service_times_s=times_s)


def unequal(slots: int, times_s: tuple[float, ...]) -> CellResult:
    """A Celery cell that did tasks of these times without any overhead."""
    result = celery_result(slots, len(times_s), held_s=sum(times_s) / len(times_s))
    return replace(
        result,
        samples=tuple(
            replace(each, service_times_s=times_s, makespan_s=packed(times_s, slots) + 0.004)
            for each in result.samples
        ),
    )


def measured(slots: tuple[int, ...]) -> Run:
    return fleet_run(*(unequal(each, EVERY_EIGHTH_S * 3) for each in slots))


@pytest.mark.parametrize(("times_s", "expected"), [((0.03,) * 8, False), (EVERY_EIGHTH_S, True), ((), False)])
def test_tasks_are_unequal_if_they_differ_by_more_than_noise(
    times_s: tuple[float, ...], expected: bool
) -> None:
    assert are_unequal([replace(sample((0.03,)), service_times_s=times_s)]) is expected


def test_a_batch_that_was_kept_whole_is_used_in_its_order() -> None:
    (batch,) = unequal_batches([sample((1.0, 3.0, 1.0, 3.0))], chunk=1, tasks=4)
    assert batch == pytest.approx((0.5, 1.5, 0.5, 1.5))
    (chunked,) = unequal_batches([sample((1.0, 3.0, 1.0, 3.0))], chunk=2, tasks=4)
    assert chunked == pytest.approx((1.0, 1.0))


def test_other_numbers_of_tasks_are_drawn_from_the_times_that_were_kept() -> None:
    batches = unequal_batches([sample(EVERY_EIGHTH_S), sample(EVERY_EIGHTH_S)], chunk=1, tasks=400)
    assert {len(batch) for batch in batches} == {400}
    long = np.mean([each > 1 for batch in batches for each in batch])
    assert long == pytest.approx(1 / 8, abs=0.03)


def test_a_long_task_at_the_end_keeps_a_slot_busy_alone() -> None:
    assert packed(EVERY_EIGHTH_S, 8) == pytest.approx(0.3)
    assert packed(EVERY_EIGHTH_S, 1) == pytest.approx(0.51)
    assert packed(EVERY_EIGHTH_S, 2) == pytest.approx(0.39)


def test_equal_messages_take_whole_turns_and_unequal_ones_what_packing_them_takes() -> None:
    slots = np.array([1.0, 2.0, 8.0])
    assert turns((), 8, slots).tolist() == [8, 4, 1]
    mean_s = 0.51 / 8
    batch = tuple(each / mean_s for each in EVERY_EIGHTH_S)
    assert turns((batch,), 8, slots) == pytest.approx([8, 0.39 / mean_s, 0.3 / mean_s])


def test_formula_and_simulation_take_the_same_time_for_unequal_messages() -> None:
    batch = tuple(each / (0.51 / 8) for each in EVERY_EIGHTH_S * 3)
    for slots in (1, 2, 4, 8):
        network = QueueingNetwork(1, slots, 1e-6, 1e-6, 0.51 / 8, unequal=(batch,))
        assert simulate(network, 24).makespan_s == pytest.approx(makespan_s(network, 24), rel=0.001)
        assert makespan_s(network, 24) == pytest.approx(packed(EVERY_EIGHTH_S * 3, slots), rel=0.001)


def test_the_idle_time_after_short_tasks_is_no_overhead_of_messages() -> None:
    demands = service_demands(measured((2,)).cells, measured((2,)))
    assert demands is not None
    assert demands.typical.overhead_s < 0.001


def test_a_prediction_for_unequal_tasks_waits_for_the_long_ones() -> None:
    run = measured((1, 2))
    found = predict(run, CELERY, HypotheticalFleet(8))
    assert found.makespan_s.point == pytest.approx(packed(EVERY_EIGHTH_S * 3, 8), rel=0.05)
    # A mean of 64 ms in 3 turns is all that equal tasks would need.
    assert found.makespan_s.point > 1.4 * 3 * 0.51 / 8


def test_more_tasks_are_drawn_so_that_the_interval_tells_how_much_batches_differ() -> None:
    found = predict(measured((1, 2)), CELERY, HypotheticalFleet(8), tasks=48)
    assert found.makespan_s.low is not None
    assert found.makespan_s.high is not None
    assert found.makespan_s.high / found.makespan_s.low > 1.15
    assert len(set(found.simulated.makespans_s)) > 1
