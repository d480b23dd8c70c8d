"""A plan that wants more processes than the machine can serve says so before they are started."""

from __future__ import annotations

import pytest

from orchestrator.planning.options import Options
from orchestrator.planning.oversubscription import oversubscription
from orchestrator.planning.plan import plan
from orchestrator.planning.sweeps import scale_plan

PLENTY = 10**12


def said(slots: int, *strategies: str, embedded: bool = True, free_bytes: int = PLENTY) -> str | None:
    return oversubscription(plan(Options(slots=slots, strategies=strategies)), embedded, 2.0, free_bytes)


def test_far_more_slots_than_processors_are_warned_of_with_what_they_take():
    text = said(1000)
    assert text is not None
    assert text.startswith(
        "warning: 1000 slots on 2 processors are 2000 processes, about 200.0 GB of memory of 1,000.0"
    )
    assert "fewer --slots tell more" in text


@pytest.mark.parametrize(("slots", "warned"), [(1, False), (16, False), (17, True)])
def test_a_few_slots_for_each_processor_are_nobody_s_concern(slots, warned):
    assert (said(slots) is not None) == warned


def test_little_memory_is_warned_of_whatever_the_processors():
    assert said(4, free_bytes=800_000_000) is None
    assert said(4, free_bytes=799_000_000) is not None


def test_threads_are_no_processes():
    assert said(1000, "serial", "threads") is None
    assert said(1000, "serial", "processes") is not None


def test_workers_elsewhere_take_nothing_here():
    assert said(1000, "celery", "threads", embedded=False) is None
    assert said(1000, "celery", "processes", embedded=False) is not None


def test_of_a_sweep_the_most_slots_count():
    assert oversubscription(scale_plan(Options(), (1, 64)), True, 2.0, PLENTY) is not None
