"""The recursion against formulas of queueing theory; benchmarks/statistics/queueing_theory.py has more cases."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.queueing.waits import waits_s

CUSTOMERS = 200_000
RNG_SEED = 1952


def mean_wait_s(utilisation: float, slots: int, constant: bool) -> float:
    """The mean wait of Poisson arrivals for services of a mean of 1 s."""
    rng = np.random.default_rng(RNG_SEED)
    arrivals_s = np.cumsum(rng.exponential(1 / (slots * utilisation), CUSTOMERS))
    services_s = np.ones(CUSTOMERS) if constant else rng.exponential(1.0, CUSTOMERS)
    return float(waits_s(arrivals_s, services_s, slots).mean())


def test_constant_services_on_one_slot_wait_as_long_as_the_formula_of_m_d_1_says() -> None:
    assert mean_wait_s(0.6, 1, constant=True) == pytest.approx(0.6 / (2 * 0.4), rel=0.04)


def test_exponential_services_on_one_slot_wait_as_long_as_the_formula_of_m_m_1_says() -> None:
    assert mean_wait_s(0.6, 1, constant=False) == pytest.approx(0.6 / 0.4, rel=0.04)


def test_exponential_services_on_several_slots_wait_as_long_as_erlang_c_says() -> None:
    # For 2 slots Erlang's formula reduces to rho^2 / (1 - rho^2) services.
    assert mean_wait_s(0.6, 2, constant=False) == pytest.approx(0.36 / 0.64, rel=0.04)


@pytest.mark.parametrize("slots", [1, 3])
def test_tasks_that_arrive_no_faster_than_the_slots_work_do_not_wait(slots: int) -> None:
    arrivals_s = np.arange(30) / slots
    assert waits_s(arrivals_s, np.ones(30), slots) == pytest.approx(np.zeros(30), abs=1e-9)


@pytest.mark.parametrize(("slots", "waits"), [(1, [0, 2, 4]), (2, [0, 0, 2]), (5, [0, 0, 0])])
def test_tasks_that_arrive_together_take_turns(slots: int, waits: list[float]) -> None:
    assert waits_s(np.full(3, 7.0), np.full(3, 2.0), slots).tolist() == waits


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0, 10)), min_size=1, max_size=40),
    st.integers(1, 4),
)
def test_no_task_begins_before_it_arrives_or_before_a_slot_is_free(
    tasks: list[tuple[float, float]], slots: int
) -> None:
    arrivals_s = np.cumsum([gap for gap, _ in tasks])
    services_s = np.array([service for _, service in tasks])
    begins_s = arrivals_s + waits_s(arrivals_s, services_s, slots)
    ends_s = begins_s + services_s
    for task, begin_s in enumerate(begins_s):
        busy = np.sum((begins_s[:task] <= begin_s - 1e-9) & (ends_s[:task] > begin_s + 1e-9))
        assert busy < slots
        assert begin_s >= arrivals_s[task] - 1e-9


def test_tasks_may_arrive_before_time_zero():
    arrivals_s, services_s = np.array([-5.0, -4.5, -4.0, 1.0]), np.array([1.0, 1.0, 1.0, 1.0])
    assert waits_s(arrivals_s, services_s, 1).tolist() == [0.0, 0.5, 1.0, 0.0]
    assert waits_s(arrivals_s, services_s, 2).tolist() == [0.0, 0.0, 0.0, 0.0]
