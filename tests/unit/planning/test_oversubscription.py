"""A warning before a plan starts more processes than this machine can serve."""

from __future__ import annotations

import pytest

from orchestrator.planning.options import Options
from orchestrator.planning.oversubscription import oversubscription
from tests.unit.planning.planned import planned

PLENTY = 10**12


def warning(
    slots: int, *strategies: str, embedded: bool = True, free_bytes: int | None = PLENTY
) -> str | None:
    return oversubscription(planned(Options(slots=slots, strategies=strategies)), embedded, 2.0, free_bytes)


def test_far_more_slots_than_processors_cause_a_warning_with_what_they_need():
    text = warning(1000)
    assert text is not None
    assert text.startswith(
        "warning: 1000 slots on 2 processors are 4000 processes, which start slowly and need about 400.0 GB of memory "
        "(1,000.0 GB are free)"
    )
    assert "fewer --slots tell more" in text


@pytest.mark.parametrize(("slots", "warned"), [(1, False), (16, False), (17, True)])
def test_a_few_slots_per_processor_cause_no_warning(slots, warned):
    assert (warning(slots) is not None) == warned


def test_too_little_memory_causes_a_warning_even_with_few_slots():
    assert warning(4, free_bytes=1_600_000_000) is None
    assert warning(4, free_bytes=1_599_000_000) is not None
    assert warning(4, free_bytes=None) is None
    assert "about 400.0 GB of memory; fewer" in str(warning(1000, free_bytes=None))


def test_each_pool_of_a_sweep_counts_and_workers_serve_every_row() -> None:
    text = oversubscription(planned(Options("scale", slot_counts=(1, 64))), True, 2.0, PLENTY)
    assert text is not None
    # 64 workers, and for each transport a pool of 1 and one of 64 processes.
    assert "64 slots on 2 processors are 194 processes" in text


def test_threads_count_as_no_processes():
    assert warning(1000, "serial", "threads") is None
    assert warning(1000, "serial", "processes") is not None


def test_workers_elsewhere_need_nothing_here():
    assert warning(1000, "celery", "threads", embedded=False) is None
    assert warning(1000, "celery", "processes", embedded=False) is not None


def test_the_most_slots_of_a_sweep_count():
    assert oversubscription(planned(Options("scale", slot_counts=(1, 64))), True, 2.0, PLENTY) is not None
