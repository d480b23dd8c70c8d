from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from orchestrator.analysis.load import (
    BLOCKS,
    QUANTILES,
    LoadRow,
    Times,
    backlog,
    backlog_growth,
    latency_quantiles,
    load_row,
    queue_relaxation_s,
    resampled_quantiles,
)
from orchestrator.analysis.queueing.waits import waits_s
from orchestrator.model.runs import Cell, CellResult, MeanHops, Objective, Trace
from tests.load_examples import sample, trace

CELL = Cell("decode", "asarray", "threads", 2, rate_per_s=100.0)


def result(*traces: Trace, **more) -> CellResult:
    return CellResult(CELL, None, open_loops=tuple(sample(each, i, **more) for i, each in enumerate(traces)))


def every(step_s: float, duration_s: float = 10.0, begin_s: float = -2.0) -> list[float]:
    return np.arange(begin_s, duration_s, step_s).round(6).tolist()


def test_latency_counts_from_the_planned_arrival_and_the_warm_up_does_not_count():
    planned = every(0.01)
    latencies = [9.0 if at < 0 else 0.02 for at in planned]
    row = load_row(result(trace(planned, latencies, lag_s=0.015)))
    assert (row.offered, row.ended, row.unfinished) == (1000, 1000, 0)
    assert [row.latency_s[quantile].point for quantile in QUANTILES] == pytest.approx([0.02] * 4)
    assert row.max_s == pytest.approx(0.02)
    assert row.lag_s[0.99] == pytest.approx(0.015)


@pytest.mark.parametrize(("quantile", "fewest"), [(0.5, 20), (0.9, 100), (0.95, 200), (0.99, 1000)])
def test_a_quantile_has_no_figure_with_fewer_than_ten_tasks_beyond_it(quantile, fewest):
    planned = (np.arange(fewest) / 200).tolist()
    enough = load_row(result(trace(planned, [0.1] * fewest)))
    short = load_row(result(trace(planned[1:], [0.1] * (fewest - 1))))
    assert enough.latency_s[quantile].point == pytest.approx(0.1)
    assert short.latency_s[quantile] is None


def test_unfinished_tasks_hide_the_quantiles_that_they_reach_and_no_others():
    planned = every(0.01, begin_s=0.0)
    latencies = [0.1] * 930 + [None] * 70
    row = load_row(result(trace(planned, latencies)))
    assert row.unfinished == 70
    assert row.latency_s[0.9].point == pytest.approx(0.1)
    assert row.latency_s[0.95] is None
    assert row.latency_s[0.99] is None
    assert row.max_s is None


def test_lost_tasks_are_counted_and_the_latency_of_the_others_stands():
    planned = every(0.01, begin_s=0.0)
    latencies = [None if number < 200 else 0.1 for number in range(1000)]
    row = load_row(
        result(trace(planned, latencies, lost=range(200)), lost=200, disturbed="the broker went away")
    )
    assert (row.lost, row.unfinished) == (200, 0)
    assert row.latency_s[0.95].point == pytest.approx(0.1)
    assert row.disturbances == ("the broker went away",)


def test_the_backlog_is_what_has_arrived_and_not_ended():
    of = trace([-1.0, 0.0, 1.0, 2.0], [3.5, 0.5, None, 20.0], duration_s=4.0)
    assert backlog(of, [0.0, 0.6, 2.4, 2.6, 4.0]).tolist() == [2, 1, 3, 2, 2]
    assert backlog(replace(of, lost=(2,)), [4.0]).tolist() == [1]


def served(rate_per_s: float, utilisation: float, seed: int, slots: int = 2) -> Trace:
    """A trace of Poisson arrivals and exponential service times, by the Kiefer-Wolfowitz recursion."""
    generator = np.random.default_rng(seed)
    planned = np.cumsum(generator.exponential(1 / rate_per_s, int(rate_per_s * 20))) - 2.0
    planned = planned[planned < 10.0]
    services = generator.exponential(slots * utilisation / rate_per_s, len(planned))
    return trace(planned.tolist(), (waits_s(planned, services, slots) + services).tolist())


@pytest.mark.parametrize(("utilisation", "sustained"), [(0.3, True), (0.7, True), (1.3, False), (2.0, False)])
def test_a_rate_is_sustained_if_the_backlog_does_not_grow(utilisation, sustained):
    assert load_row(result(*(served(100.0, utilisation, seed) for seed in range(3)))).sustained is sustained


def test_it_cannot_be_told_from_few_tasks_whether_a_rate_is_sustained():
    few = [served(3.0, 1.1, seed) for seed in range(2)]
    assert backlog_growth(few).low < 0 < 0.05 < backlog_growth(few).high
    assert load_row(result(*few)).sustained is None


def test_a_growing_backlog_grows_by_the_share_of_tasks_that_is_not_done():
    planned = every(0.01)
    ends = [-2.0 + 0.02 * (number + 1) for number in range(len(planned))]  # half as fast as they arrive
    latencies = [end - at for at, end in zip(planned, ends, strict=True)]
    growth = backlog_growth([trace(planned, latencies)])
    assert growth.point == pytest.approx(0.5, abs=0.01)


def test_the_interval_of_a_quantile_is_wide_where_latencies_come_in_bursts():
    planned = every(0.01, begin_s=0.0)
    alike = [0.1 + 0.1 * (number % 10) for number in range(1000)]
    in_bursts = sorted(alike)  # the same latencies, each in a block of its own
    calm, bursts = (
        latency_quantiles([(Times.of(trace(planned, each)), 10.0)])[0][0.5] for each in (alike, in_bursts)
    )
    assert calm.point == pytest.approx(bursts.point)
    assert calm.high - calm.low < 0.11
    assert bursts.high - bursts.low > 0.3


def test_samples_that_are_short_beside_the_memory_of_the_queue_give_no_interval_but_the_duration_that_would():
    planned = every(0.01, begin_s=0.0)
    latencies = [0.1 + 0.1 * (number % 10) for number in range(1000)]
    times = [(Times.of(trace(planned, latencies)), 10.0)]
    found, needed_s = latency_quantiles(times, relaxation_s=0.1)  # 100 of them, which is enough up to 8/(1-q)
    assert [q for q, each in found.items() if each.low is not None] == [0.5, 0.9]
    assert needed_s == pytest.approx({0.95: 16.0, 0.99: 80.0})
    found, needed_s = latency_quantiles(times, relaxation_s=np.inf)
    assert [each.low for each in found.values()] == [None] * 4
    assert needed_s == {}


def test_a_backlog_that_grows_leaves_no_interval_and_no_duration_that_would_give_one():
    row = load_row(result(*(served(100.0, 1.3, seed) for seed in range(3))))
    assert row.sustained is False
    assert [each.low for each in row.latency_s.values()] == [None] * 4
    assert row.needed_s == {}


def test_a_queue_remembers_the_longer_the_busier_its_slots_and_the_less_alike_its_tasks():
    def memory_s(*services_s: float, slots: int = 1) -> float:
        of = trace([0.1 * n for n in range(len(services_s))], [1.0] * len(services_s))
        of = replace(of, service_us=tuple(round(1e6 * each) for each in services_s))
        return queue_relaxation_s([of], replace(CELL, slots=slots, rate_per_s=10.0))

    assert memory_s(0.08, 0.08) == pytest.approx(2 * 0.8 * 0.08 / 0.2**2)
    assert memory_s(0.0, 0.16) == pytest.approx(2 * memory_s(0.08, 0.08))
    assert memory_s(0.08, 0.08, slots=2) == pytest.approx(2 * 0.4 * 0.08 / (2 * 0.6**2))
    assert memory_s(0.1, 0.1) == np.inf


def test_more_tasks_than_the_grid_has_places_give_nearly_the_same_quantiles():
    latencies = np.random.default_rng(1).exponential(1.0, 50_000)
    blocks = np.arange(50_000) * BLOCKS // 50_000
    drawn = resampled_quantiles(latencies, blocks, BLOCKS)
    for quantile in QUANTILES:
        assert np.median(drawn[quantile]) == pytest.approx(np.quantile(latencies, quantile), rel=0.05)


def test_the_parts_of_a_mean_task_add_up_to_its_mean_latency():
    planned = every(0.01, begin_s=0.0)
    hops = MeanHops(1000, 0.03, 0.03)
    in_process = load_row(result(trace(planned, [0.1] * 1000, lag_s=0.02), hops=hops))
    assert {part.name: round(part.seconds, 6) for part in in_process.parts} == {
        "lag": 0.02,
        "compute": 0.03,
        "wait": 0.05,
    }
    hops = MeanHops(1000, 0.03, 0.03, 0.01, 0.02, 0.005, 0.005, 0.005, 0.075, 0.0)
    celery = load_row(result(trace(planned, [0.1] * 1000, lag_s=0.02), hops=hops))
    assert sum(part.seconds for part in celery.parts) == pytest.approx(0.1)
    assert celery.parts[-1].name == "unexplained"


def test_a_promise_is_kept_up_to_its_latency_and_missed_where_the_quantile_has_no_figure():
    planned = every(0.01, begin_s=0.0)
    measured = result(trace(planned, [0.1] * 940 + [0.3] * 60))
    assert load_row(measured, Objective(0.9, 0.101)).kept is True
    assert load_row(measured, Objective(0.95, 0.2)).kept is False
    hidden = result(trace(planned, [0.1] * 900 + [None] * 100))
    assert load_row(hidden, Objective(0.95, 99.0)).kept is False
    assert load_row(measured).kept is None
    few = result(trace(planned[:100], [0.3] * 100))
    assert load_row(few, Objective(0.95, 0.2)).kept is None


def test_tasks_in_flight_at_an_interrupt_leave_open_what_they_decide():
    planned = every(0.01, begin_s=0.0)

    def interrupted(late: int, in_flight: int, within_s: float) -> LoadRow:
        latencies = [0.3] * late + [0.1] * (1000 - late - in_flight) + [None] * in_flight
        cut = result(trace(planned, latencies), disturbed="interrupted, so it ended early")
        return load_row(cut, Objective(0.95, within_s))

    assert interrupted(late=40, in_flight=15, within_s=0.2).kept is None
    assert interrupted(late=40, in_flight=10, within_s=0.2).kept is True
    assert interrupted(late=51, in_flight=15, within_s=0.2).kept is False
    assert interrupted(late=0, in_flight=100, within_s=0.2).kept is False  # the first had waited for 1 s
    row = interrupted(late=0, in_flight=100, within_s=2.0)
    assert (row.kept, row.in_flight, row.unfinished) == (None, 100, 0)


def test_lost_and_failed_tasks_are_not_within_the_time_that_was_promised():
    planned, promise = every(0.01, begin_s=0.0), Objective(0.95, 0.2)

    def kept(late: int = 0, lost: int = 0, failed: int = 0) -> bool | None:
        latencies = [None] * lost + [0.3] * late + [0.1] * (1000 - lost - late)
        of = trace(planned, latencies, lost=range(lost))
        return load_row(result(of, lost=lost, failed=failed), promise).kept

    assert [kept(lost=50), kept(lost=51)] == [True, False]
    assert [kept(failed=50), kept(failed=51)] == [True, False]
    assert [kept(late=30, lost=20), kept(late=30, lost=21)] == [True, False]
    assert [kept(late=30, failed=20), kept(late=30, failed=21)] == [True, None]
    assert kept(late=30, lost=1, failed=50) is False
