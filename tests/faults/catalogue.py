"""The faults, the fleet that each is injected into, and the allowed outcome.

A new fault is one function in injections.py and one entry in `FAULTS`. The tests and
`docs/measurements/reliability.md` are made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from tests.faults import injections, setups
from tests.faults.trial import Trial


@dataclass(frozen=True)
class Fault:
    """A fault, its set-up, and the allowed outcome: exit code, and whether tasks may be lost or executed twice.

    `says` is a pattern of the message to the user; an empty one means that the sample is not disturbed.
    """

    inject: Callable[[Any], Trial]
    set_up: Callable[[], AbstractContextManager[Any]]
    says: str
    exit_code: int = 0
    loses: bool = False
    repeats: bool = False

    @property
    def name(self) -> str:
        """The fault in words."""
        return str(self.inject.__doc__)


FAULTS: tuple[Fault, ...] = (
    # Between kombu's BRPOP and its entry in `unacked`, only the worker has the message. A worker that is killed then
    # loses it, and no setting of Celery prevents that.
    Fault(injections.slot_killed, setups.ours, "slot process"),
    Fault(injections.slot_killed_after_answering, setups.with_a_dying_slot, "slot process"),
    Fault(
        injections.worker_killed,
        setups.ours,
        "worker1 ended with code -9 .*out of memory.*, and was restarted",
        loses=True,
    ),
    Fault(
        injections.all_workers_killed,
        setups.ours,
        "ended with code -9 .*out of memory.*, and was restarted",
        loses=True,
    ),
    Fault(
        injections.worker_stopped,
        setups.ours,
        "gave no answer|delivered a second time",
        repeats=True,
    ),
    Fault(injections.worker_drained, setups.ours, "gave no answer|ended with code 0"),
    Fault(injections.poison, setups.ours, "slot process", exit_code=1),
    Fault(
        injections.worker_restarts,
        setups.theirs,
        "a@world (was restarted|gave no answer)",
        loses=True,
    ),
    Fault(injections.worker_joins, setups.theirs, ""),
    Fault(injections.foreign_messages, setups.theirs, ""),
    Fault(injections.foreign_results, setups.theirs, ""),
    Fault(injections.result_gone, setups.theirs, "broke", exit_code=1, loses=True),
    Fault(injections.payloads_gone, setups.theirs, "could not be fetched: no payload under", exit_code=1),
    Fault(
        injections.out_of_memory,
        setups.theirs,
        "out of memory.* raise its maxmemory",
        3,
        loses=True,
    ),
    Fault(
        injections.broker_restarted,
        setups.theirs,
        "a connection to the broker .* broke",
        exit_code=1,
        loses=True,
        repeats=True,
    ),
    Fault(
        injections.broker_flushed,
        setups.theirs,
        "not every message got a reply",
        exit_code=1,
        loses=True,
    ),
    Fault(injections.broker_stopped, setups.theirs, "took|broke", repeats=True),
    Fault(
        injections.workers_gone,
        setups.theirs,
        "did not come back within 30 s.*start it again",
        3,
        loses=True,
    ),
    Fault(
        injections.spare_takes_over,
        setups.with_a_spare,
        "a@world gave no answer",
        loses=True,
        repeats=True,
    ),
    Fault(
        injections.store_restarted,
        setups.with_a_store,
        "broke|could not be",
        1,
        loses=True,
        repeats=True,
    ),
    Fault(
        injections.store_gone,
        setups.with_a_store,
        "did not come back within 30 s",
        3,
        loses=True,
    ),
    Fault(
        injections.store_full,
        setups.with_a_store,
        "payload store .* is out of memory.*raise its maxmemory",
        3,
        loses=True,
    ),
    Fault(injections.over_the_limit, setups.impatient, "TimeLimitExceeded", exit_code=1),
    Fault(
        injections.line_cut,
        setups.behind_a_proxy,
        "a connection to the broker .* broke",
        loses=True,
        repeats=True,
    ),
    Fault(
        injections.line_silent,
        setups.behind_a_proxy,
        "broke|took|gave no answer",
        loses=True,
        repeats=True,
    ),
)
