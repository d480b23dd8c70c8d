"""The workload: what every task takes and must give, made off the clock by the reference kernels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from orchestrator.errors import UnavailableError
from worker.contract import Failure, Outcome, Payload, Task
from worker.execution import describe
from worker.stages import STAGES, Kernel

THREADS = 8
"""So many URLs are fetched at once, lest their latencies add up."""

Expectation: TypeAlias = Payload | Failure
"""What must come of a task: its output, or why it has none."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What each stage's tasks take, and what must come of them: by stage, then by the picture's index.

    A picture that never came has no task in `decode`, one that does not decode none in `grayscale`.
    """

    payloads: Mapping[str, Mapping[int, Payload]] = field(repr=False)
    expected: Mapping[str, Mapping[int, Expectation]] = field(repr=False)

    def tasks(self, stage: str, kernel: str) -> tuple[Task, ...]:
        """The stage's batch for a kernel, in the pictures' order; a task's id is its picture's index."""
        return tuple(Task(i, stage, kernel, payload) for i, payload in self.payloads[stage].items())


def prepare(urls: Sequence[str], stages: Iterable[str] = tuple(STAGES), threads: int = THREADS) -> Workload:
    """Fetch every URL and work out what must come of it in each of `stages`.

    Pixels among the payloads are (H, W, 3) uint8 arrays in C order, each with its own memory. What no stage
    needs is not worked out; every URL is always fetched, which shows that the source is there.

    Args:
        urls: the pictures' addresses; their positions become the task ids.
        stages: names in `STAGES`.
        threads: how many are worked on at once.

    Raises:
        UnavailableError: not one URL gave a picture's bytes.
        KeyError: there is no such stage.
    """
    asked = tuple(dict.fromkeys(stages))
    kinds = {STAGES[name].takes for name in asked}
    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        addresses: dict[int, Payload] = dict(enumerate(urls))
        made = {"download": _results(pool, STAGES["download"].reference, addresses)}
        _check_any(urls, made["download"])
        inputs = {"url": addresses, "encoded": _successes(made["download"])}
        if "pixels" in kinds or "decode" in asked:
            made["decode"] = _results(pool, STAGES["decode"].reference, inputs["encoded"])
        if "pixels" in kinds:
            inputs["pixels"] = _own_memory(_successes(made["decode"]))
        for name in asked:
            if name not in made:
                made[name] = _results(pool, STAGES[name].reference, inputs[STAGES[name].takes])
    finally:
        pool.shutdown(cancel_futures=True)
    return Workload(
        {name: inputs[STAGES[name].takes] for name in asked}, {name: made[name] for name in asked}
    )


def verify(expected: Expectation, outcome: Outcome) -> bool:
    """Whether an outcome is what must come of its task.

    Arrays must agree in shape, dtype and content, bytes and text in content, failures in type and message. An
    output that stays in the payload store must be fetched first: an outcome without it is not right.
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


def _results(
    pool: ThreadPoolExecutor, kernel: Kernel, payloads: Mapping[int, Payload]
) -> dict[int, Expectation]:
    """What a kernel makes of each payload, in their order."""
    results = pool.map(lambda payload: _attempt(kernel, payload), payloads.values())
    return dict(zip(payloads, results, strict=True))


def _attempt(kernel: Kernel, payload: Payload) -> Expectation:
    try:
        result: Payload = kernel(payload)
    except Exception as error:  # noqa: BLE001 - whatever the reference raises is what every strategy must give
        return describe(error)
    return result


def _successes(results: Mapping[int, Expectation]) -> dict[int, Payload]:
    return {i: result for i, result in results.items() if not isinstance(result, Failure)}


def _own_memory(payloads: Mapping[int, Payload]) -> dict[int, Payload]:
    """The same pixels as ordinary arrays, for an output may be a view of other memory."""
    return {i: np.array(pixels, dtype=np.uint8, order="C") for i, pixels in payloads.items()}


def _check_any(urls: Sequence[str], downloads: Mapping[int, Expectation]) -> None:
    failures = [result for result in downloads.values() if isinstance(result, Failure)]
    if len(failures) < len(downloads):
        return
    if not failures:
        raise UnavailableError("the source has no images; name another with --source")
    raise UnavailableError(
        f"none of {len(urls)} images could be downloaded; the first: {failures[0].message}; "
        "check --source, and that its server answers from here"
    )
