"""The models against published figures: scalability laws, COST, operational analysis and queues."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from orchestrator.analysis.analyse import analyse
from orchestrator.analysis.queueing.simulation import simulate
from orchestrator.analysis.queueing.stations import (
    QueueingNetwork,
    bottleneck,
    ceiling_per_s,
    knee_slots,
    throughput_per_s,
)
from orchestrator.analysis.queueing.waits import waits_s
from orchestrator.analysis.scaling.usl import Curve, Scalability, fit, law
from orchestrator.model.findings import Estimate
from tests.unit.analysis.made_fleets import CELERY, SERIAL, fleet_run, plain_result

# SPEC SDM91 on a SPARCcenter 2000 (Gunther, "Guerrilla Capacity Planning", 2007; R package usl), jobs an hour.
SPEC_SDM91 = {1: 64.9, 18: 995.9, 36: 1652.4, 72: 1853.2, 108: 1828.9, 144: 1775.0, 216: 1702.2}
# A Cisco server, 1 to 32 threads (Schwartz, "Practical Scalability Analysis with the USL", 2015), queries a second.
CISCO = dict(
    enumerate(
        (
            *(
                955.16,
                1878.91,
                2688.01,
                3548.68,
                4315.54,
                5130.43,
                5931.37,
                6531.08,
                7219.8,
                7867.61,
                8278.71,
            ),
            *(8646.7, 9047.84, 9426.55, 9645.37, 9897.24, 10097.6, 10240.5, 10532.39, 10798.52, 11151.43),
            *(11518.63, 11806, 12089.37, 12075.41, 12177.29, 12211.41, 12158.93, 12155.27, 12118.04, 12140.4),
            12074.39,
        ),
        start=1,
    )
)
PUBLISHED: dict[str, tuple[dict[int, float], Curve]] = {
    "SPEC SDM91": (SPEC_SDM91, (89.9952, 0.0277285, 0.0001044)),
    "Cisco": (CISCO, (995.6486, 0.02671591, 0.0007690945)),
}
OURS: dict[str, Curve] = {"SPEC SDM91": (68.2, 0.0134, 0.000115), "Cisco": (960.0, 0.0203, 0.000896)}


# McSherry, "Scalability! But at what COST?", 2015: seconds of systems on 128 cores, and of one thread that was written
# simply and smartly, for PageRank and label propagation on the graphs twitter_rv and uk_2007_05.
SYSTEMS_S = {
    "PageRank, twitter": {"Spark": 857, "Giraph": 596, "GraphLab": 249, "GraphX": 419},
    "PageRank, uk": {"Spark": 1759, "Giraph": 1235, "GraphLab": 833, "GraphX": 462},
    "propagation, twitter": {"Spark": 1784, "Giraph": 200, "GraphLab": 242, "GraphX": 251},
    "propagation, uk": {"GraphLab": 714, "GraphX": 800},
}
ONE_THREAD_S = {
    "PageRank, twitter": (300, 110),
    "PageRank, uk": (651, 256),
    "propagation, twitter": (153, 15),
    "propagation, uk": (417, 30),
}
PAIRS = [
    (f"{system}, {what}", system_s, one_s)
    for what, systems in SYSTEMS_S.items()
    for system, system_s in systems.items()
    for one_s in ONE_THREAD_S[what]
]


def fitted(data: dict[int, float]) -> Scalability:
    found = fit({slots: dict.fromkeys(range(7), rate) for slots, rate in data.items()})
    assert isinstance(found, Scalability), found
    return found


def least_absolute_errors(data: dict[int, float], start: Curve) -> Curve:
    """Refine a curve until the squares of the absolute errors are least (Gauss and Newton), as published fits do."""
    slots, rates = np.array(list(data)), np.array(list(data.values()))
    curve = np.array(start)
    for _ in range(50):
        steps = np.maximum(np.abs(curve), 1e-9) * 1e-6
        there = law(tuple(curve), slots)  # type: ignore[arg-type]
        slopes: NDArray[np.float64] = np.stack(
            [
                (law(tuple(curve + step * axis), slots) - there) / step  # type: ignore[arg-type]
                for step, axis in zip(steps, np.eye(3), strict=True)
            ],
            axis=1,
        )
        curve = curve + 0.5 * np.linalg.lstsq(slopes, rates - there, rcond=None)[0]
    one, sigma, kappa = curve
    return float(one), float(sigma), float(kappa)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_set_is_fitted_and_only_the_weighting_differs_from_the_published_fit(name: str) -> None:
    data, published = PUBLISHED[name]
    found = fitted(data)
    assert found.curve == pytest.approx(OURS[name], rel=0.02)
    assert found.misfit < 0.1
    assert least_absolute_errors(data, found.curve) == pytest.approx(published, rel=0.005)


def test_of_mcsherrys_28_pairs_two_systems_beat_a_thread_and_no_other_has_a_cost() -> None:
    won = []
    for name, system_s, one_s in PAIRS:
        system = plain_result(replace(CELERY, slots=128), float(system_s))
        run = fleet_run(plain_result(SERIAL, float(one_s)), system)
        (cost,) = analyse(run).costs["download"]
        if cost.kind == "measured":
            assert cost.slots == Estimate(128)
            won.append((name, one_s))
    assert len(PAIRS) == 28
    assert won == [("GraphLab, PageRank, twitter", 300), ("GraphX, PageRank, uk", 651)]


def test_a_bottleneck_limits_throughput_as_the_textbook_says() -> None:
    # Lazowska et al., "Quantitative System Performance", 1984, ch. 5: demands of 5, 4 and 3 s, no think time:
    # X <= 1/5, and from N* = 12/5 customers on, the first centre is the limit.
    network = QueueingNetwork(chunk=1, slots=2, publish_s=5.0, collect_s=0.0, slot_s=3.0, broker_s=4.0)
    assert throughput_per_s(network) == pytest.approx(1 / 5)
    assert bottleneck(network).name == "orchestrator"
    assert network.latency_s / 5.0 == pytest.approx(12 / 5)


def test_balancing_the_disks_of_a_database_server_raises_its_throughput_as_the_textbook_says() -> None:
    # Menasce, Almeida & Dowdy, "Performance by Design", 2004, examples 3.9 and 3.10: a processor and three disks.
    network = QueueingNetwork(
        chunk=1, slots=1, publish_s=0.092, collect_s=0.0, broker_s=0.079, payload_s=0.108, slot_s=0.142
    )
    assert (bottleneck(network).name, bottleneck(network).demand_s) == ("slots", 0.142)
    assert throughput_per_s(network) == pytest.approx(7.04, abs=0.005)
    disk_s = (0.079 + 0.108 + 0.142) / 3
    balanced = replace(network, broker_s=disk_s, payload_s=disk_s, slot_s=disk_s)
    assert throughput_per_s(balanced) == pytest.approx(9.12, abs=0.005)


def test_a_faster_bottleneck_moves_the_limit_to_the_next_station() -> None:
    # Denning & Buzen 1978, sec. 6: of several stations, the one with the largest V S saturates first.
    network = QueueingNetwork(chunk=1, slots=4, publish_s=0.2, collect_s=0.0, slot_s=1.6, broker_s=0.1)
    assert (bottleneck(network).name, throughput_per_s(network)) == ("slots", pytest.approx(4 / 1.6))
    assert ceiling_per_s(network) == pytest.approx(1 / 0.2)
    assert knee_slots(network) == pytest.approx(8)
    more = replace(network, slots=8)
    # A long batch reaches the bound.
    assert 2000 / simulate(more, 2000).makespan_s == pytest.approx(1 / 0.2, rel=0.01)


@pytest.mark.parametrize("slots", [1, 2, 5])
def test_constant_arrivals_and_services_never_queue_up_to_full_use(slots: int) -> None:
    # D/D/c: no wait while the arrival rate is at most c / S; beyond, the n-th task waits n (S / c - 1 / rate).
    arrivals_s = np.arange(1000, dtype=np.float64)
    services_s = np.full(1000, float(slots))
    assert waits_s(arrivals_s, services_s, slots) == pytest.approx(np.zeros(1000))
    waits = waits_s(arrivals_s, 1.1 * services_s, slots)
    assert waits[slots * 100] == pytest.approx(0.1 * slots * 100, rel=0.02)
