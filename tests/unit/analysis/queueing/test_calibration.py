from dataclasses import replace

import pytest

from orchestrator.analysis.queueing.calibration import MOST_MESSAGES, calibrate
from orchestrator.analysis.queueing.simulation import simulate
from orchestrator.analysis.queueing.stations import QueueingNetwork

PLAIN = QueueingNetwork(chunk=1, slots=2, publish_s=0.001, collect_s=0.001, slot_s=0.1)


def slower(slot_s: float) -> QueueingNetwork:
    return replace(PLAIN, slot_s=slot_s)


def test_the_demand_is_found_with_which_the_batch_takes_what_it_took() -> None:
    took = simulate(slower(0.137), 24).makespan_s
    assert calibrate(slower, 24, took, 0.1, 0.2) == pytest.approx(0.137, rel=0.001)


def test_it_stays_within_its_range() -> None:
    assert calibrate(slower, 24, 0.01, 0.1, 0.2) == 0.1
    assert calibrate(slower, 24, 99.0, 0.1, 0.2) == 0.2


def test_a_batch_too_large_to_simulate_often_is_left_alone() -> None:
    assert calibrate(slower, MOST_MESSAGES + 1, 99.0, 0.1, 0.2) is None
