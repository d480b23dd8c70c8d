"""The workload: every task's payload and expected output, made off the clock by the reference kernels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Final, TypeAlias

import numpy as np

from orchestrator.errors import UnavailableError
from worker.contract import Failure, Outcome, Payload, Task
from worker.execution import describe
from worker.redaction import redact
from worker.stages import DEFAULT_STAGES, STAGES, Kernel, Kind, stage_giving
from worker.values import same

THREADS: Final = 8  # that fetch URLs, so that their latencies do not add up

Expectation: TypeAlias = Payload | Failure  # of a task: its output, or why it has none


@dataclass(frozen=True, slots=True)
class Workload:
    """The payloads and expected results of each stage's tasks: by stage, then by the picture's index.

    A picture that could not be downloaded has no task in `decode`, one that does not decode none in `grayscale`.
    """

    payloads: Mapping[str, Mapping[int, Payload]] = field(repr=False)
    expected: Mapping[str, Mapping[int, Expectation]] = field(repr=False)

    def tasks(self, stage: str, kernel: str) -> tuple[Task, ...]:
        """Return a stage's batch for a kernel, in the pictures' order; a task's id is its picture's index."""
        return tuple(Task(i, stage, kernel, payload) for i, payload in self.payloads[stage].items())


def prepare(urls: Sequence[str], stages: Iterable[str] = DEFAULT_STAGES, threads: int = THREADS) -> Workload:
    """Fetch every URL and compute the expected results of each of `stages`.

    Pixels among the payloads are (H, W, 3) uint8 arrays in C order, each with its own memory. Only what a stage needs
    is computed, but every URL is fetched, which shows that the source works.

    Args:
        urls: the pictures' addresses; their positions become the task ids.
        stages: names in `STAGES`.
        threads: how many pictures are worked on at once.

    Raises:
        UnavailableError: not one URL gave a picture's bytes, or one gives others each time.
    """
    pool = ThreadPoolExecutor(max_workers=threads)

    @cache
    def inputs(kind: Kind) -> dict[int, Payload]:
        if kind == "url":
            return dict(enumerate(urls))
        made = results(stage_giving(kind)).items()
        return {i: copied(result) for i, result in made if not isinstance(result, Failure)}

    def copied(payload: Payload) -> Payload:  # an array may be a view of other memory
        return np.array(payload, order="C") if isinstance(payload, np.ndarray) else payload

    @cache
    def results(stage: str) -> dict[int, Expectation]:
        payloads = inputs(STAGES[stage].takes)
        attempts = pool.map(partial(_attempt, STAGES[stage].reference), payloads.values())
        return dict(zip(payloads, attempts, strict=True))

    try:
        _check_any(results(stage_giving("encoded")))
        asked = tuple(dict.fromkeys(stages))
        if any(STAGES[stage].fetches_urls for stage in asked):
            _check_same(urls, results(stage_giving("encoded")))
        return Workload(
            {stage: inputs(STAGES[stage].takes) for stage in asked},
            {stage: results(stage) for stage in asked},
        )
    finally:
        pool.shutdown(cancel_futures=True)


def verify(expected: Expectation, outcome: Outcome) -> bool:
    """Return whether an outcome is as expected.

    Arrays must agree in shape, dtype and content, bytes and text in content, failures in type and message. An output
    that stays in the payload store must be fetched first.
    """
    output = outcome.output
    if isinstance(expected, Failure):
        return outcome.failure == expected and output is None
    if outcome.failure is not None:
        return False
    if isinstance(expected, np.ndarray) or isinstance(output, np.ndarray):
        return (
            isinstance(expected, np.ndarray)
            and isinstance(output, np.ndarray)
            and output.dtype == expected.dtype
            and np.array_equal(output, expected)
        )
    return output == expected


def matches(expected: Expectation, outcome: Outcome, tolerance: float = 0.0) -> bool:
    """Return whether an outcome of a user's function is as expected.

    Floats may differ by `tolerance`, relatively. Failures agree in type: a message may quote a time or an address.
    """
    if isinstance(expected, Failure):
        return outcome.failure is not None and outcome.failure.type == expected.type
    return outcome.failure is None and same(expected, outcome.output, tolerance)


def _attempt(kernel: Kernel, payload: Payload) -> Expectation:
    try:
        result: Payload = kernel(payload)
    except Exception as error:  # noqa: BLE001 - what the reference raises is expected of every strategy
        return describe(error)
    return result


def _check_any(downloads: Mapping[int, Expectation]) -> None:
    failures = [result for result in downloads.values() if isinstance(result, Failure)]
    if len(failures) < len(downloads):
        return
    if not failures:
        raise UnavailableError("the source has no images; name another with --source")
    raise UnavailableError(
        f"none of {len(failures)} images could be downloaded; the first: {failures[0].message}; "
        "check --source, and that its server answers from here"
    )


def _check_same(urls: Sequence[str], downloads: Mapping[int, Expectation]) -> None:
    index, before = next((i, each) for i, each in downloads.items() if not isinstance(each, Failure))
    again = _attempt(STAGES[stage_giving("encoded")].reference, urls[index])
    if not isinstance(again, Failure) and again != before:
        raise UnavailableError(
            f"the source gives another picture each time ({redact(urls[index])}), so downloads cannot be checked; name "
            "one whose pictures stay the same, or measure --stage decode and --stage grayscale alone"
        )
