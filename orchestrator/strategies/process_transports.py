"""How payloads cross to the processes of a pool: pickled with the call, or through shared memory."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from typing import Any, ClassVar, Final

from worker.contract import Hops, Outcome, Task
from worker.pool_process import run_pickled, run_shared
from worker.shared_memory import Block, Packer, SharedCall, needed_bytes, unpack


class NoSharedMemoryError(OSError):
    """Shared memory has no room for the payloads of a call."""


class ProcessTransport(ABC):
    """Sends chunks to a pool of processes and takes their outcomes."""

    summary: ClassVar[str]

    def __init__(self, slots: int) -> None:
        self.most_in_flight: int | None = None  # calls that may be in flight; `None` for no limit

    @abstractmethod
    def send(self, pool: Executor, tasks: Sequence[Task]) -> Future[Any]:
        """Have the pool run a chunk, or raise `NoSharedMemoryError`."""

    @abstractmethod
    def outcomes(self, call: Future[Any]) -> list[Outcome]:
        """Return the outcomes of a call that has ended, or raise what it ended with."""

    def release(self) -> None:
        """Free the memory of calls that will not be answered; the pool has ended them all."""
        return

    def close(self) -> None:
        """Free all memory."""
        return


class Pickle(ProcessTransport):
    """Tasks and outcomes as `ProcessPoolExecutor` sends them."""

    summary = "pickled with each call of the pool, as ProcessPoolExecutor does it"

    def send(self, pool: Executor, tasks: Sequence[Task]) -> Future[Any]:
        """Submit the tasks themselves."""
        return pool.submit(run_pickled, [(task.id, task.stage, task.kernel, task.payload) for task in tasks])

    def outcomes(self, call: Future[Any]) -> list[Outcome]:
        """Return what the call returned."""
        return [
            Outcome(task_id, output, failure, None if hops is None else Hops(*hops), slot)
            for task_id, output, failure, hops, slot in call.result()
        ]


class SharedMemory(ProcessTransport):
    """Payloads in shared memory, which holds no more than the calls in flight.

    A block is kept for the next call, of the next batch too: making and mapping one of 5 MB again took 3 ms or more,
    which would be on the clock. How much room outputs need is learned from earlier calls; before, they are pickled.
    """

    summary = "arrays and bytes through shared memory (/dev/shm), everything else pickled"

    # Calls beyond one a slot: the pool sends slots + 1, and the next one is packed meanwhile.
    EXTRA_CALLS: Final = 2

    def __init__(self, slots: int) -> None:
        super().__init__(slots)
        self._lanes = range(slots + self.EXTRA_CALLS)  # the numbers of calls that may be in flight
        self.most_in_flight = len(self._lanes)
        self._free = list(self._lanes)
        self._blocks: dict[int, Block] = {}  # by lane
        self._in_flight: dict[Future[Any], int] = {}
        self._outputs_bytes = 0
        self._block_bytes = 0

    def send(self, pool: Executor, tasks: Sequence[Task]) -> Future[Any]:
        """Copy the inputs into a free block, and submit where they lie."""
        lane = self._free[-1]
        block = self._reserve(lane, needed_bytes([task.payload for task in tasks]))
        packer = Packer(block.buffer)
        packed = [(task.id, task.stage, task.kernel, packer.pack(task.payload)) for task in tasks]
        call = pool.submit(run_shared, SharedCall(lane, block.name, packer.end, packed))
        self._in_flight[call] = self._free.pop()
        return call

    def _reserve(self, lane: int, needed: int) -> Block:
        self._outputs_bytes = max(self._outputs_bytes, needed)
        self._block_bytes = max(1, self._block_bytes, needed + self._outputs_bytes)
        if lane in self._blocks:
            if self._blocks[lane].nbytes >= self._block_bytes:
                return self._blocks[lane]
            self._blocks.pop(lane).close()
        try:
            self._blocks[lane] = Block(self._block_bytes)
            return self._blocks[lane]
        except OSError as error:
            raise NoSharedMemoryError(
                f"no room for {self._block_bytes} bytes of payloads in /dev/shm ({error.strerror}); raise shm_size, "
                "which Compose sets to 256 MB, or measure --transport pickle alone"
            ) from None

    def outcomes(self, call: Future[Any]) -> list[Outcome]:
        """Copy the outputs out of the block, which is free then."""
        lane = self._in_flight.pop(call)
        try:
            ended, outputs_bytes = call.result()
            self._outputs_bytes = max(self._outputs_bytes, outputs_bytes)
            buffer = self._blocks[lane].buffer
            return [outcome._replace(output=unpack(buffer, parcel, copy=True)) for outcome, parcel in ended]
        finally:
            self._free.append(lane)

    def release(self) -> None:
        """Count every block as free."""
        self._free = list(self._lanes)
        self._in_flight.clear()

    def close(self) -> None:
        """Remove the blocks."""
        while self._blocks:
            self._blocks.popitem()[1].close()


TRANSPORTS: Mapping[str, type[ProcessTransport]] = {"pickle": Pickle, "shared-memory": SharedMemory}
