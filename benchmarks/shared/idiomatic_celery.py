"""Celery as its tutorial shows it: an app, a few tasks, `delay` and `get`.

The broker's URL comes from `BENCH_BROKER`, the queue's name from `BENCH_QUEUE`. `BENCH_DELIVERY=ours` sets the two
settings of delivery that our workers have: acknowledge late, and prefetch no task.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Sequence

import numpy as np
from celery import Celery

from worker.contract import Pixels
from worker.stages import grayscale

app = Celery("script", broker=os.environ.get("BENCH_BROKER"), backend=os.environ.get("BENCH_BROKER"))
app.conf.task_default_queue = os.environ.get("BENCH_QUEUE", "celery")
if os.environ.get("BENCH_DELIVERY") == "ours":
    app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1)


@app.task
def noop(number: int) -> int:
    """Return the number."""
    return number


@app.task
def gray(picture: str, height: int, width: int) -> str:
    """Turn a picture gray; it travels as base64, because JSON has no bytes."""
    pixels = np.frombuffer(base64.b64decode(picture), dtype=np.uint8).reshape(height, width, 3)
    return base64.b64encode(grayscale.numpy(pixels)).decode()


def noops(count: int) -> list[int]:
    """Send empty tasks and wait for all."""
    results = [noop.delay(number) for number in range(count)]
    return [result.get(timeout=60) for result in results]


def check_noops(count: int, answers: list[int]) -> None:
    """Check that each number came back once, in order."""
    assert answers == list(range(count))


def grays(pictures: Sequence[Pixels]) -> list[Pixels]:
    """Send pictures and wait for all."""
    results = [gray.delay(base64.b64encode(each).decode(), *each.shape[:2]) for each in pictures]
    answers = [base64.b64decode(result.get(timeout=60)) for result in results]
    return [
        np.frombuffer(answer, dtype=np.uint8).reshape(each.shape[:2])
        for answer, each in zip(answers, pictures, strict=True)
    ]


def check_grays(pictures: Sequence[Pixels], answers: Sequence[Pixels]) -> None:
    """Check that each output belongs to its picture."""
    for picture, answer in zip(pictures, answers, strict=True):
        assert np.array_equal(answer, grayscale.reference(picture))
