"""Celery passes the checks that every strategy must pass."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestrator.fleet.fleet import Fleet
from orchestrator.strategies.base import Strategy
from orchestrator.strategies.celery import Celery, IdiomaticCelery
from tests.conformance import OpenLoopConformance, StrategyConformance


class OnAFleet(StrategyConformance):
    """Takes its slots from the fleet that all tests share."""

    transport, chunk, data = "redis", 1, "local"

    @pytest.fixture(scope="class")
    @classmethod
    def strategy(cls, fleet: Fleet) -> Iterator[Strategy]:
        cls.fleet = fleet
        with cls.make(cls.slots) as strategy:
            yield strategy

    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Celery(slots, cls.fleet, cls.transport, cls.chunk, cls.data)


class TestRedis(OnAFleet, OpenLoopConformance):
    pass


class TestInlineInChunks(OnAFleet):
    transport, chunk = "inline", 3


class TestFilesThatStay(OnAFleet):
    transport, chunk, data = "files", 4, "resident"


class TestIdiomatic(OnAFleet):
    """`delay`, then `get`."""

    @classmethod
    def make(cls, slots: int) -> Strategy:
        return IdiomaticCelery(slots, cls.fleet, "inline", 1, "local")
