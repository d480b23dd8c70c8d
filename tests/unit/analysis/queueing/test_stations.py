from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.analysis.queueing.makespan_model import makespan_s
from orchestrator.analysis.queueing.service_demands import bounds, service_demands
from orchestrator.analysis.queueing.simulation import simulate
from orchestrator.analysis.queueing.stations import (
    QueueingNetwork,
    bottleneck,
    ceiling_per_s,
    knee_slots,
    stations,
    throughput_per_s,
)
from tests.unit.analysis.made_fleets import celery_result, fleet_run

PLAIN = QueueingNetwork(chunk=1, slots=4, publish_s=0.001, collect_s=0.001, slot_s=0.1, broker_s=0.0005)

seconds = st.floats(1e-5, 0.05)


def least_makespan_s(network: QueueingNetwork, tasks: int) -> float:
    """T >= max(n D_i / m_i, R), R being a message's time alone."""
    return max(tasks / throughput_per_s(network), network.latency_s)


@st.composite
def networks(draw: st.DrawFn) -> QueueingNetwork:
    payload_s = draw(st.one_of(st.just(0.0), seconds))
    slot_s = draw(st.floats(1e-3, 0.5)) + payload_s
    cores = draw(st.sampled_from([None, 1.0, 1.5, 2.0, 4.0]))
    return QueueingNetwork(
        chunk=draw(st.integers(1, 4)),
        slots=draw(st.integers(1, 24)),
        publish_s=draw(seconds) + payload_s / 2,
        collect_s=draw(seconds) + payload_s / 2,
        slot_s=slot_s,
        broker_s=draw(seconds),
        payload_s=payload_s,
        cpu_s=slot_s * draw(st.floats(0, 1)),
        cores=cores,
        shared=draw(st.booleans()),
        flush_s=draw(st.one_of(st.just(0.0), seconds)),
        flight_s=draw(st.one_of(st.just(0.0), seconds)),
        window=draw(st.sampled_from([3, 1000])),
    )


def test_known_demands_give_known_bounds() -> None:
    assert throughput_per_s(PLAIN) == pytest.approx(4 / 0.1)
    assert bottleneck(PLAIN).name == "slots"
    assert ceiling_per_s(PLAIN) == pytest.approx(1 / 0.002)
    assert knee_slots(PLAIN) == pytest.approx(0.1 / 0.002)
    assert least_makespan_s(PLAIN, 400) == pytest.approx(10.0)
    assert least_makespan_s(PLAIN, 1) == pytest.approx(0.1025)


@pytest.mark.parametrize(
    ("name", "network"),
    [
        ("slots", PLAIN),
        ("orchestrator", replace(PLAIN, publish_s=0.05)),
        ("broker", replace(PLAIN, broker_s=0.05)),
        ("payload", replace(PLAIN, slots=32, publish_s=0.026, collect_s=0.026, slot_s=0.15, payload_s=0.05)),
        ("cpu", replace(PLAIN, cpu_s=0.09, cores=2.0, shared=True)),
        ("window", replace(PLAIN, slots=40, window=10)),
    ],
)
def test_bounds_and_simulation_both_name_the_slowest_station(name: str, network: QueueingNetwork) -> None:
    simulated = simulate(network, 400)
    assert bottleneck(network).name == name
    assert simulated.bottleneck == name
    assert makespan_s(network, 400) == pytest.approx(simulated.makespan_s, rel=0.1)


def test_shared_cores_limit_work_that_computes_but_not_work_that_waits() -> None:
    computing = replace(PLAIN, slots=8, cpu_s=0.1, cores=2.0)
    waiting = replace(computing, cpu_s=0.002)
    assert throughput_per_s(computing) == pytest.approx(2 / 0.1)
    assert throughput_per_s(waiting) == pytest.approx(8 / 0.1)


def test_at_the_knee_the_slots_are_as_fast_as_the_next_station() -> None:
    at_knee = replace(PLAIN, slots=round(knee_slots(PLAIN)))
    limits = {station.name: station.limit_per_s for station in stations(at_knee)}
    assert limits["slots"] == pytest.approx(limits["orchestrator"])


@settings(deadline=None)
@given(networks(), st.integers(1, 60))
def test_no_simulated_batch_is_faster_than_its_bound(network: QueueingNetwork, tasks: int) -> None:
    # A message that is not full takes less than a full one, so only full messages are simulated.
    tasks = network.chunk * tasks
    assert simulate(network, tasks).makespan_s >= least_makespan_s(network, tasks) * (1 - 1e-9)


@given(
    networks(), st.sampled_from(["publish_s", "collect_s", "slot_s", "broker_s", "cpu_s"]), st.floats(1, 10)
)
def test_a_higher_demand_never_increases_throughput(
    network: QueueingNetwork, station: str, times: float
) -> None:
    slower = replace(network, **{station: times * getattr(network, station)})
    assert throughput_per_s(slower) <= throughput_per_s(network) * (1 + 1e-9)
    assert least_makespan_s(slower, 30) >= least_makespan_s(network, 30) * (1 - 1e-9)


@given(networks())
def test_more_slots_never_lower_the_bound_and_never_exceed_the_ceiling(network: QueueingNetwork) -> None:
    # Without flushes: with more slots the orchestrator sends fewer bursts.
    network = replace(network, flush_s=0.0)
    more = replace(network, slots=network.slots + 1)
    assert throughput_per_s(more) >= throughput_per_s(network) * (1 - 1e-9) or more.slots > more.window
    of_slots = network.slots * network.chunk / network.slot_s
    assert throughput_per_s(network) <= max(ceiling_per_s(network), of_slots) * (1 + 1e-9)


def test_bounds_of_a_measured_cell_have_intervals_around_the_set_demands() -> None:
    result = celery_result(2)
    measured = service_demands([result], fleet_run(result, usable=64))
    assert measured is not None
    found = bounds(measured, 2)
    assert found.bottleneck == "slots"
    assert found.throughput_per_s.point == pytest.approx(2 / 0.105, rel=0.01)
    assert found.throughput_per_s.low is not None
    assert found.throughput_per_s.low < 2 / 0.105
    assert found.next_bottleneck == "orchestrator"
    assert found.ceiling_per_s.point == pytest.approx(1 / 0.0015, rel=0.01)
    assert found.knee_slots.point == pytest.approx(0.105 / 0.0015, rel=0.01)
    demands_s = {each.name: each.demand_s for each in found.stations}
    assert demands_s["slots"] == pytest.approx(0.105, rel=0.01)
    # cpu: 2 ms of computing, 5 of overhead and 1.5 of the orchestrator
    assert demands_s["cpu"] == pytest.approx(0.0085, rel=0.05)
