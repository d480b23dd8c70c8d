from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.analysis.queueing.bounds import bounds, least_makespan_s
from orchestrator.analysis.queueing.makespan_model import makespan_s
from orchestrator.analysis.queueing.service_demands import service_demands
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


@st.composite
def systems(draw: st.DrawFn) -> QueueingNetwork:
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
    ("name", "system"),
    [
        ("slots", PLAIN),
        ("orchestrator", replace(PLAIN, publish_s=0.05)),
        ("broker", replace(PLAIN, broker_s=0.05)),
        ("payload", replace(PLAIN, slots=32, publish_s=0.026, collect_s=0.026, slot_s=0.15, payload_s=0.05)),
        ("cpu", replace(PLAIN, cpu_s=0.09, cores=2.0, shared=True)),
        ("window", replace(PLAIN, slots=40, window=10)),
    ],
)
def test_the_station_that_was_built_in_is_named_by_bounds_and_simulation(
    name: str, system: QueueingNetwork
) -> None:
    simulated = simulate(system, 400)
    assert bottleneck(system).name == name
    assert simulated.bottleneck == name
    assert makespan_s(system, 400) == pytest.approx(simulated.makespan_s, rel=0.1)


def test_cores_that_slots_share_hold_work_that_computes_and_not_work_that_waits() -> None:
    computing = replace(PLAIN, slots=8, cpu_s=0.1, cores=2.0)
    waiting = replace(computing, cpu_s=0.002)
    assert throughput_per_s(computing) == pytest.approx(2 / 0.1)
    assert throughput_per_s(waiting) == pytest.approx(8 / 0.1)


def test_at_the_knee_slots_and_the_next_station_let_as_much_through() -> None:
    at_knee = replace(PLAIN, slots=round(knee_slots(PLAIN)))
    limits = {station.name: station.limit_per_s for station in stations(at_knee)}
    assert limits["slots"] == pytest.approx(limits["orchestrator"])


@settings(deadline=None)
@given(systems(), st.integers(1, 60))
def test_no_simulated_batch_beats_its_bound(system: QueueingNetwork, tasks: int) -> None:
    # A last message that is not full takes less than a full one, so whole messages are simulated.
    tasks = system.chunk * tasks
    assert simulate(system, tasks).makespan_s >= least_makespan_s(system, tasks) * (1 - 1e-9)


@given(
    systems(), st.sampled_from(["publish_s", "collect_s", "slot_s", "broker_s", "cpu_s"]), st.floats(1, 10)
)
def test_more_demand_never_gives_more_throughput(system: QueueingNetwork, station: str, times: float) -> None:
    slower = replace(system, **{station: times * getattr(system, station)})
    assert throughput_per_s(slower) <= throughput_per_s(system) * (1 + 1e-9)
    assert least_makespan_s(slower, 30) >= least_makespan_s(system, 30) * (1 - 1e-9)


@given(systems())
def test_more_slots_never_lower_the_bound_and_never_pass_the_ceiling(system: QueueingNetwork) -> None:
    # Flushes apart: with more slots the orchestrator sends fewer bursts.
    system = replace(system, flush_s=0.0)
    more = replace(system, slots=system.slots + 1)
    assert throughput_per_s(more) >= throughput_per_s(system) * (1 - 1e-9) or more.slots > more.window
    of_slots = system.slots * system.chunk / system.slot_s
    assert throughput_per_s(system) <= max(ceiling_per_s(system), of_slots) * (1 + 1e-9)


def test_bounds_of_a_measured_cell_have_intervals_about_what_was_set() -> None:
    result = celery_result(2)
    measured = service_demands([result], fleet_run(result, usable=64))
    assert measured is not None
    found = bounds(measured, 2)
    assert found.bottleneck == "slots"
    assert found.throughput_per_s.point == pytest.approx(2 / 0.105, rel=0.01)
    assert found.throughput_per_s.low is not None
    assert found.throughput_per_s.low < 2 / 0.105
    assert found.demands["slots"].point == pytest.approx(0.105, rel=0.01)
    assert found.next_bottleneck == "orchestrator"
    assert found.ceiling_per_s.point == pytest.approx(1 / 0.0015, rel=0.01)
    assert found.knee_slots.point == pytest.approx(0.105 / 0.0015, rel=0.01)
    # cpu: 2 ms of computing, 5 of overhead and 1.5 of the orchestrator
    (cpu_s,) = (each.demand_s for each in found.stations if each.name == "cpu")
    assert cpu_s == pytest.approx(0.0085, rel=0.05)
