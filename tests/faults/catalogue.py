"""The faults that befall a batch, where, and what may become of it.

A new fault is one function in happenings.py and one entry in `FAULTS`. The tests and
`docs/measurements/reliability.md` are made from it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

from tests.faults import happenings, places
from tests.faults.trial import Trial


@dataclass(frozen=True)
class Fault:
    """What happens, where, and what may become of it: the exit code, whether tasks may be lost or done twice.

    `says` is what the user is told, as a pattern; an empty one means that nothing is disturbed.
    """

    happen: Callable[[Any], Trial]
    place: Callable[[], AbstractContextManager[Any]]
    says: str
    exit_code: int = 0
    loses: bool = False
    repeats: bool = False
    quick: bool = True

    @property
    def name(self) -> str:
        """The fault in words."""
        return str(self.happen.__doc__)


FAULTS: tuple[Fault, ...] = (
    # Between taking a message and noting that it did, a worker holds it alone: kombu's BRPOP, then `unacked`.
    # One that is killed just then takes the message with it, which no setting of Celery's helps.
    Fault(happenings.slot_killed, places.ours, "slot process"),
    Fault(happenings.slot_killed_after_answering, places.with_one_that_dies, "slot process"),
    Fault(
        happenings.worker_killed,
        places.ours,
        "worker1 ended with code -9 .*out of memory.*, and was restarted",
        loses=True,
    ),
    Fault(
        happenings.all_workers_killed,
        places.ours,
        "ended with code -9 .*out of memory.*, and was restarted",
        loses=True,
        quick=False,
    ),
    Fault(
        happenings.worker_stopped,
        places.ours,
        "gave no answer|delivered a second time",
        repeats=True,
        quick=False,
    ),
    Fault(happenings.worker_drained, places.ours, "gave no answer|ended with code 0", quick=False),
    Fault(happenings.poison, places.ours, "slot process", exit_code=1, quick=False),
    Fault(
        happenings.worker_restarts,
        places.theirs,
        "a@world (was restarted|gave no answer)",
        loses=True,
        quick=False,
    ),
    Fault(happenings.worker_joins, places.theirs, "", quick=False),
    Fault(happenings.foreign_messages, places.theirs, ""),
    Fault(happenings.foreign_results, places.theirs, "", quick=False),
    Fault(happenings.result_gone, places.theirs, "broke", exit_code=1, loses=True, quick=False),
    Fault(happenings.payloads_gone, places.theirs, "could not be fetched: no payload under", exit_code=1),
    Fault(
        happenings.out_of_memory,
        places.theirs,
        "out of memory.* raise its maxmemory",
        3,
        loses=True,
        quick=False,
    ),
    Fault(
        happenings.broker_restarted,
        places.theirs,
        "a connection to the broker .* broke",
        exit_code=1,
        loses=True,
        repeats=True,
    ),
    Fault(happenings.broker_stopped, places.theirs, "took|broke", repeats=True),
    Fault(
        happenings.workers_gone,
        places.theirs,
        "did not come back within 30 s.*start it again",
        3,
        loses=True,
        quick=False,
    ),
    Fault(
        happenings.spare_takes_over,
        places.with_a_spare,
        "a@world gave no answer",
        loses=True,
        repeats=True,
        quick=False,
    ),
    Fault(
        happenings.store_restarted,
        places.with_a_store,
        "broke|could not be",
        1,
        loses=True,
        repeats=True,
        quick=False,
    ),
    Fault(
        happenings.store_gone,
        places.with_a_store,
        "did not come back within 30 s",
        3,
        loses=True,
        quick=False,
    ),
    Fault(
        happenings.store_full,
        places.with_a_store,
        "payload store .* is out of memory.*raise its maxmemory",
        3,
        loses=True,
        quick=False,
    ),
    Fault(happenings.over_the_limit, places.impatient, "TimeLimitExceeded", exit_code=1, quick=False),
    Fault(
        happenings.line_cut,
        places.behind_a_line,
        "a connection to the broker .* broke",
        loses=True,
        repeats=True,
        quick=False,
    ),
    Fault(
        happenings.line_silent,
        places.behind_a_line,
        "broke|took|gave no answer",
        loses=True,
        repeats=True,
        quick=False,
    ),
)
