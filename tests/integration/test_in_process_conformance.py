"""The strategies of this machine pass the checks that every strategy must pass."""

from __future__ import annotations

from orchestrator.strategies.base import Strategy
from orchestrator.strategies.processes import IdiomaticProcesses, Processes
from orchestrator.strategies.serial import Serial
from orchestrator.strategies.threads import Threads
from orchestrator.strategies.vectorized import Vectorized
from tests.conformance import OpenLoopConformance, StrategyConformance


class TestSerial(StrategyConformance):
    slots = 1

    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Serial(slots)


class TestThreads(OpenLoopConformance):
    slots = 3

    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Threads(slots)


class TestThreadsInChunks(StrategyConformance):
    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Threads(slots, chunk=4)


class TestProcesses(OpenLoopConformance):
    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Processes(slots)


class TestIdiomaticProcesses(StrategyConformance):
    @classmethod
    def make(cls, slots: int) -> Strategy:
        return IdiomaticProcesses(slots)


class TestProcessesInChunks(StrategyConformance):
    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Processes(slots, chunk=4)


class TestProcessesWithSharedMemory(OpenLoopConformance):
    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Processes(slots, transport="shared-memory")


class TestProcessesWithSharedMemoryInChunks(StrategyConformance):
    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Processes(slots, chunk=4, transport="shared-memory")


class TestVectorized(StrategyConformance):
    slots = 1
    kernels = (("grayscale", "numpy"),)

    @classmethod
    def make(cls, slots: int) -> Strategy:
        return Vectorized(slots)
