"""Payloads that arrive in several pieces."""

from __future__ import annotations

from orchestrator.fleet.fleet import Fleet
from orchestrator.inputs.synthetic import photograph
from orchestrator.measurement.clock import SamplePosition, measure
from orchestrator.strategies.celery import Celery
from worker.contract import Task
from worker.stages import STAGES


def test_a_reply_that_arrives_in_pieces_is_not_a_broken_connection(fleet: Fleet) -> None:
    """A reply of 0.64 MB is larger than a socket's buffer, so its first part arrives before the rest."""
    picture = photograph(1, 0, 800, 800)
    tasks = [Task(number, "grayscale", "numpy", picture) for number in range(36)]
    expected = dict.fromkeys(range(36), STAGES["grayscale"].reference(picture))
    with Celery(2, fleet, "inline", 1, "local") as strategy:
        strategy.disturbance()  # what other tests did to this fleet does not belong to this sample
        sample, failures = measure(strategy, tasks, expected, SamplePosition(0, 0, 0.0))
    assert failures == ()
    assert (sample.ok, sample.lost, sample.duplicated, sample.wrong) == (36, 0, 0, 0)
    assert sample.disturbed is None
