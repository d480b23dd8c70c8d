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
        """Have the pool run a chunk.

        Raises:
            NoSharedMemoryError: there is no room for its payloads.
        """

    @abstractmethod
    def outcomes(self, call: Future[Any]) -> list[Outcome]:
        """Return the outcomes of a call that has ended, or raise what it ended with."""

    def release(self) -> None:
        """Take back what calls that will never be answered hold; the pool has ended them all."""
        return

    def close(self) -> None:
        """Give back everything."""
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


class _Lane:
    """One call that may be in flight, with its block of shared memory."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.block: Block | None = None

    def reserve(self, nbytes: int) -> Block:
        if self.block is None or self.block.nbytes < nbytes:
            self.close()
            self.block = Block(nbytes)
        return self.block

    def close(self) -> None:
        block, self.block = self.block, None
        if block is not None:
            block.close()


class SharedMemory(ProcessTransport):
    """Payloads in shared memory, which holds no more than the calls in flight.

    A call's block is kept for the next call, so that its pages are mapped already. How much room outputs need is
    learned from the calls before; until then they are pickled.
    """

    summary = "arrays and bytes through shared memory (/dev/shm), everything else pickled"

    EXTRA_LANES: Final = (
        2  # calls beyond one a slot: the pool sends slots + 1, and the next one is packed meanwhile
    )

    def __init__(self, slots: int) -> None:
        super().__init__(slots)
        self._lanes = [_Lane(number) for number in range(slots + self.EXTRA_LANES)]
        self.most_in_flight = len(self._lanes)
        self._free = list(self._lanes)
        self._in_flight: dict[Future[Any], tuple[_Lane, Block]] = {}
        self._outputs_bytes = 0
        self._block_bytes = 0

    def send(self, pool: Executor, tasks: Sequence[Task]) -> Future[Any]:
        """Copy the inputs into a free block, and submit where they lie."""
        lane = self._free[-1]
        block = self._reserve(lane, tasks)
        packer = Packer(block.buffer)
        packed = [(task.id, task.stage, task.kernel, packer.pack(task.payload)) for task in tasks]
        call = pool.submit(run_shared, SharedCall(lane.number, block.name, packer.end, packed))
        self._in_flight[call] = self._free.pop(), block
        return call

    def _reserve(self, lane: _Lane, tasks: Sequence[Task]) -> Block:
        needed = needed_bytes([task.payload for task in tasks])
        self._outputs_bytes = max(self._outputs_bytes, needed)
        self._block_bytes = max(1, self._block_bytes, needed + self._outputs_bytes)
        try:
            return lane.reserve(self._block_bytes)
        except OSError as error:
            raise NoSharedMemoryError(
                f"no room for {self._block_bytes} bytes of payloads in /dev/shm ({error.strerror}); raise shm_size, "
                "which Compose sets to 256 MB, or measure --transport pickle alone"
            ) from None

    def outcomes(self, call: Future[Any]) -> list[Outcome]:
        """Copy the outputs out of the block, which is free then."""
        lane, block = self._in_flight.pop(call)
        try:
            ended, outputs_bytes = call.result()
            self._outputs_bytes = max(self._outputs_bytes, outputs_bytes)
            return [
                outcome._replace(output=unpack(block.buffer, parcel, copy=True)) for outcome, parcel in ended
            ]
        finally:
            self._free.append(lane)

    def release(self) -> None:
        """Count every block as free."""
        self._free = list(self._lanes)
        self._in_flight.clear()

    def close(self) -> None:
        """Remove the blocks."""
        for lane in self._lanes:
            lane.close()


TRANSPORTS: Mapping[str, type[ProcessTransport]] = {"pickle": Pickle, "shared-memory": SharedMemory}
