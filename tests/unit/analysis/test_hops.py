from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.hops import beyond_bound, bound, hop_ledger, mean_hops, service_times_s
from orchestrator.model.runs import MAX_SERVICE_TIMES, CellResult, MeanHops
from tests.unit.analysis.made_runs import HOPS, REDIS, SERIAL, result, samples
from worker.contract import Hops

seconds = st.floats(0, 10)


def hops(**legs: float | None) -> Hops:
    plain = Hops(
        compute_s=4.0,
        compute_cpu_s=3.0,
        publish_s=1.0,
        queue_s=2.0,
        fetch_s=3.0,
        store_s=5.0,
        return_s=6.0,
        latency_s=22.0,
        clock_bound_s=0.5,
    )
    return plain._replace(**legs)


def test_means_are_over_tasks_and_the_bound_is_the_largest() -> None:
    expected = MeanHops(
        tasks=2,
        compute_s=5.0,
        compute_cpu_s=3.5,
        publish_s=1.0,
        queue_s=3.0,
        fetch_s=3.0,
        store_s=5.0,
        return_s=6.0,
        latency_s=25.0,
        unexplained_s=2.0,
        clock_bound_s=0.75,
        beyond_bound=0,
    )
    other = hops(compute_s=6.0, compute_cpu_s=4.0, queue_s=4.0, latency_s=28.0, clock_bound_s=0.75)
    assert expected == mean_hops([hops(), other])


def test_hops_of_a_strategy_that_has_none_are_absent() -> None:
    assert MeanHops(tasks=1, compute_s=2.0, compute_cpu_s=1.0) == mean_hops([Hops(2.0, 1.0)])


def test_no_hops_give_no_means() -> None:
    assert mean_hops([]) is None


def test_a_hop_that_a_failed_task_lacks_counts_as_no_time() -> None:
    means = mean_hops([hops(), hops(store_s=None, latency_s=17.0)])
    assert means is not None
    assert means.store_s == 2.5


@given(
    st.lists(
        st.builds(
            Hops,
            compute_s=seconds,
            compute_cpu_s=seconds,
            publish_s=seconds,
            queue_s=st.floats(-1, 10),
            fetch_s=st.none() | seconds,
            store_s=st.none() | seconds,
            return_s=st.floats(-1, 10),
            latency_s=st.none() | st.floats(0, 100),
        ),
        min_size=1,
    )
)
def test_means_add_up_to_the_mean_latency(tasks: list[Hops]) -> None:
    means = mean_hops(tasks)
    assert means is not None
    if means.latency_s is not None:
        legs = (means.publish_s, means.queue_s, means.fetch_s, means.compute_s, means.store_s, means.return_s)
        total = sum(leg for leg in legs if leg is not None) + (means.unexplained_s or 0.0)
        assert total == pytest.approx(means.latency_s, abs=1e-9)


@pytest.mark.parametrize(
    ("legs", "contradicts"),
    [
        ({}, False),
        ({"queue_s": -0.4}, False),
        ({"queue_s": -0.6}, True),
        ({"return_s": -0.4}, False),
        ({"return_s": -0.6}, True),
        ({"latency_s": 20.6}, False),  # the rest is -0.4
        ({"latency_s": 20.4}, True),  # the rest is -0.6
        ({"latency_s": 99.0}, False),  # a rest is time between hops, however long
        ({"publish_s": -0.1}, True),  # one clock alone: no bound excuses it
    ],
)
def test_only_what_the_clock_bound_cannot_explain_is_beyond_it(
    legs: dict[str, float], contradicts: bool
) -> None:
    assert beyond_bound(hops(**legs)) is contradicts


def test_tasks_beyond_the_bound_are_counted_and_kept() -> None:
    means = mean_hops([hops(), hops(queue_s=-3.0), hops(return_s=-3.0)])
    assert means is not None
    assert (means.tasks, means.beyond_bound) == (3, 2)
    assert means.queue_s == pytest.approx((2 - 3 + 2) / 3)


def test_ledger_takes_the_median_round_of_each_hop_and_its_share_of_the_latency() -> None:
    rounds = [replace(HOPS, queue_s=queue) for queue in (0.002, 0.004, 0.006)]
    each = tuple(replace(sample, hops=of) for sample, of in zip(samples([1, 1, 1]), rounds, strict=True))
    found = hop_ledger(CellResult(REDIS, None, each))
    assert found is not None
    assert found.seconds("queue") == 0.004
    assert {leg.name: leg.share for leg in found.legs}["queue"] == pytest.approx(4 / 21)
    assert [leg.name for leg in found.legs] == [
        "publish",
        "queue",
        "fetch",
        "compute",
        "store",
        "return",
        "unexplained",
    ]


def test_ledger_of_an_in_process_cell_has_compute_alone() -> None:
    found = hop_ledger(result(SERIAL, [1.0], hops=MeanHops(8, 0.01, 0.01)))
    assert found is not None
    assert [(leg.name, leg.seconds, leg.share) for leg in found.legs] == [("compute", 0.01, None)]
    assert found.seconds("queue") is None


def test_no_hops_give_no_ledger_and_no_bound() -> None:
    assert hop_ledger(result(REDIS, [1.0])) is None
    assert bound(result(REDIS, [1.0])) is None
    assert bound(result(SERIAL, [1.0], hops=MeanHops(8, 0.01, 0.01))) is None


@pytest.mark.parametrize(
    ("makespan_s", "legs", "name"),
    [
        (0.06, {}, "compute"),
        (0.10, {"fetch_s": 0.050, "latency_s": 0.069}, "fetch"),
        (0.10, {"store_s": 0.050, "latency_s": 0.070}, "store"),
        (1.0, {}, "queue"),
        (1.0, {"publish_s": 0.1, "latency_s": 0.12}, "publish"),
        (1.0, {"return_s": 0.1, "latency_s": 0.119}, "return"),
    ],
)
def test_busy_slots_are_blamed_themselves_and_idle_ones_blame_the_way(
    makespan_s: float, legs: dict[str, float], name: str
) -> None:
    assert bound(result(REDIS, [makespan_s] * 5, hops=replace(HOPS, **legs))) == name


def test_tasks_without_a_latency_are_left_out_of_the_means() -> None:
    assert mean_hops([hops(), Hops(2.0, 1.0)]) == mean_hops([hops()])


@given(st.lists(st.floats(0.001, 10.0), min_size=1, max_size=300))
def test_service_times_keep_the_mean_whatever_the_number_of_tasks(times_s: list[float]) -> None:
    kept = service_times_s([Hops(compute_s=each, compute_cpu_s=0.0) for each in times_s])
    assert len(kept) == min(len(times_s), MAX_SERVICE_TIMES)
    assert sum(kept) / len(kept) == pytest.approx(sum(times_s) / len(times_s), rel=1e-3)


def test_many_service_times_are_the_means_of_groups_in_ascending_order() -> None:
    times_s = [float(each) for each in range(2 * MAX_SERVICE_TIMES)]
    kept = service_times_s([Hops(compute_s=each, compute_cpu_s=0.0) for each in reversed(times_s)])
    assert kept == tuple(each + 0.5 for each in times_s[::2])
