"""A pool of processes: an interpreter and a GIL for each slot, and payloads in shared memory.

What was chosen, and why:

- *Own processes by `subprocess`, not `multiprocessing`.* `fork` copies the locks of this process's threads;
  `spawn` and `forkserver` import `__main__` again, which is pytest here and the command line there. A slot
  runs `slot_program.py` and loads what a worker needs, whoever started it.
- *Files without a name (memfd), not `multiprocessing.shared_memory`.* That one needs a tracker process, which
  until Python 3.13 cannot be told to leave a segment alone (bpo-38119); it leaves entries in /dev/shm when
  all are killed, and Docker gives /dev/shm 64 MB. A memfd is gone with its last descriptor.
- *An input is copied once*, by the orchestrator, into the slot's memory, where the kernel reads it. *An
  output is copied once*, by the slot; the outcome's array is that memory itself, not used for anything else
  as long as somebody holds the array or another that came in the same message. So it costs no page fault of
  fresh memory, and stays valid even longer than a strategy has to promise.
- *A slot has the next task before it ends one*, so it never waits for the orchestrator; when the batch runs
  out, tasks that wait behind another are taken back for slots that are free, so uneven tasks stay balanced.
- *A slot ends by itself when the control socket is closed*, so none outlives an orchestrator that was killed.
"""

from __future__ import annotations

import selectors
import time
from collections import deque
from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Self

from orchestrator.errors import UnavailableError
from orchestrator.strategies.base import Row, Strategy
from orchestrator.strategies.processes.slot_process import SlotProcess
from worker.contract import Outcome, Task
from worker.execution import HOLD_S, describe
from worker.remote_control import usable_cpus
from worker.settings import settings

START_S = 60.0
"""By then a slot process has answered, or something is wrong with it."""

ABANDON_S = 1.0
"""How long the tasks of a batch that was closed early may go on before their slots are replaced."""

AT_ONCE = 8
"""Tasks that a slot which has something to do is given before the next one's turn comes."""

TICK_S = 1.0
"""How often slots are looked at that say nothing."""


class Processes(Strategy):
    """Runs tasks on `slots` processes that are all up before the first batch and stay until the end.

    A process that dies costs the task that it was at, an outcome with the failure `Lost`; another takes its
    place while the batch goes on, and does again, once, what it had done and not told of. A task that runs longer
    than `task_time_limit_s` seconds ends its process.
    """

    def __init__(self, slots: int, task_time_limit_s: float | None = None) -> None:
        """Remember the number of processes, at least 1, and the limit, by default the worker's setting."""
        super().__init__(slots)
        self._limit_s = task_time_limit_s or settings().task_time_limit_s
        self._has_a_processor = slots < usable_cpus()
        """Whether the orchestrator need put no slot aside to hear what another has done."""
        self._slots: list[SlotProcess] = []
        self._selector: selectors.BaseSelector
        self._looked_at = 0.0
        self._upset: str | None = None
        self._unsaid: set[int] = set()
        """Tasks of this batch that a slot had done and not told of when it died."""

    def __enter__(self) -> Self:
        """Start the processes, all at a time, and wait until each has answered.

        Raises:
            UnavailableError: one could not be started, died, or did not answer in time.
        """
        self._selector = selectors.DefaultSelector()
        try:
            for _ in range(self.slots):
                self._start()
            self._await_all()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes, whatever they are at, and wait until they are gone."""
        for slot in self._slots:
            slot.hang_up()
        for slot in self._slots:
            slot.end()
        self._slots.clear()
        self._selector.close()

    def rows(self, tasks: Sequence[Task]) -> Generator[Row, None, None]:
        """Do the batch; closing the generator waits a second for the tasks begun, then replaces their slots.

        Raises:
            UnavailableError: a process that was to take a dead one's place did not come up.
        """
        waiting = deque(tasks)
        self._unsaid.clear()
        owed = len(waiting)
        try:
            while owed:
                refused = self._hand_out(waiting)
                for row in [refused] if refused else self._hear(waiting):
                    owed -= len(row)
                    yield row
        finally:
            if owed:
                self._abandon()

    def disturbance(self) -> str | None:
        """The first slot process that died since this was last asked; one that died idle is replaced now.

        Raises:
            UnavailableError: the one that was to take its place did not come up.
        """
        for slot in [slot for slot in self._slots if not slot.is_alive]:
            self._replace(slot)
        self._await_all()
        upset, self._upset = self._upset, None
        return upset

    def _hand_out(self, waiting: deque[Task]) -> list[Outcome]:
        """Give tasks to the slots that have the fewest, a few at a time, as long as there are tasks and room.

        Returns:
            The outcomes of tasks whose payload cannot be shared.
        """
        refused = []
        hungry = [slot for slot in self._slots if slot.is_hungry]
        while hungry and (waiting or self._take_back(waiting, hungry)):
            slot = min(hungry, key=len)
            share = min(AT_ONCE, -(-len(waiting) // len(hungry))) if len(slot) else 1
            for _ in range(share):
                task = waiting.popleft()
                try:
                    slot.send(task)
                except (TypeError, OSError) as error:
                    refused.append(Outcome(task.id, failure=describe(error)))
                if not slot.has_room:
                    hungry.remove(slot)
                    break
        for slot in self._slots:
            slot.flush(no_hurry=not waiting and not self._has_a_processor)
        return refused

    def _take_back(self, waiting: deque[Task], hungry: Sequence[SlotProcess]) -> bool:
        """If a slot has nothing to do, let tasks wait again that wait behind others; whether there were any."""
        if all(map(len, hungry)):
            return False
        for slot in sorted(self._slots, key=len, reverse=True):
            if len(slot) > 1 and (tasks := slot.take_back()):
                waiting.extend(tasks)
                return True
        return False

    def _hear(self, waiting: deque[Task]) -> list[Row]:
        """What the slots have to say, within `TICK_S`; tasks that a dead one leaves wait again."""
        rows: list[Row] = []
        for key, _ in self._selector.select(TICK_S):
            slot: SlotProcess = key.fileobj  # type: ignore[assignment]  # nothing else is registered
            try:
                rows += slot.receive()
            except EOFError:
                lost, left = self._replace(slot)
                rows.append(lost)
                waiting.extendleft(reversed(left))
        self._look_after_the_silent()
        return rows

    def _look_after_the_silent(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < TICK_S:
            return
        self._looked_at = now
        for slot in self._slots:
            if not slot.ready and now - slot.since > START_S:
                slot.condemn(f"did not answer within {START_S:g} s")
            elif (
                len(slot) and now - slot.since > self._limit_s + HOLD_S
            ):  # it may have done others and not told
                slot.condemn(f"was ended after the limit of {self._limit_s:g} s")

    def _replace(self, slot: SlotProcess) -> tuple[list[Outcome], list[Task]]:
        """Another process in the place of one that is gone; see `SlotProcess.bury`."""
        self._selector.unregister(slot)
        self._slots.remove(slot)
        lost, left, unsaid = slot.bury()
        # Telling of one may be what ends a slot, as where there is no memory for an output: none is done a third time.
        lost += [
            slot.lost(task, "once more before it told of this task")
            for task in unsaid
            if task.id in self._unsaid
        ]
        again = [task for task in unsaid if task.id not in self._unsaid]
        self._unsaid.update(task.id for task in again)
        if not slot.is_given_up:
            self._upset = self._upset or f"slot process {slot.pid} {slot.fate}, and was started anew"
        if not slot.ready:
            raise UnavailableError(
                f"slot process {slot.pid} {slot.fate} before it was ready; "
                "see its message above, or ask for fewer slots"
            )
        self._start()
        return lost, again + left

    def _await_all(self) -> None:
        """Wait until every slot has answered."""
        while not all(slot.ready for slot in self._slots):
            self._hear(deque())

    def _start(self) -> None:
        try:
            slot = SlotProcess()
        except OSError as error:
            raise UnavailableError(f"a slot process did not start: {error}; ask for fewer slots") from error
        self._slots.append(slot)
        self._selector.register(slot, selectors.EVENT_READ)

    def _abandon(self) -> None:
        """Be ready for the next batch: no slot goes on with a task of this one."""
        for slot in self._slots:
            slot.forget()
        deadline = time.monotonic() + ABANDON_S
        while any(map(len, self._slots)) and time.monotonic() < deadline:
            self._hear(deque())
        for slot in [slot for slot in self._slots if len(slot)]:
            slot.give_up()
            self._replace(slot)
