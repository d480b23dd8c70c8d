"""Publishing Celery tasks: kombu's pipelined producer, with messages that Celery's own workers understand.

`Task.apply_async` would subscribe to every result it will never read, and send each message in a round trip
of its own. What it does besides, making the message and handing it to the producer, is done here by the
same two functions of Celery that it calls.
"""

from __future__ import annotations

from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from celery import Celery
from kombu import Queue


class Publisher:
    """Sends task messages to one queue, several in one round trip. Used as a context."""

    def __init__(self, app: Celery, queue: Queue) -> None:
        """Send to `queue`, which is declared when the context is entered."""
        self._app = app
        self._queue = queue
        self._stack = ExitStack()
        self._producer: Any = None
        self._batch: Any = None

    def __enter__(self) -> Self:
        """Take a connection, declare the queue and open a batch."""
        self._producer = self._stack.enter_context(self._app.producer_pool.acquire(block=True, timeout=10))
        self._queue(self._producer.channel).declare()
        self._batch = self._stack.enter_context(self._producer.batch(max_size=1000))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Send what is left and give the connection back; after an error, drop it."""
        self._stack.__exit__(kind, error, trace)

    def add(self, name: str, task_id: str, message: dict[str, Any], serializer: str, summary: str) -> None:
        """Put one task message into the batch.

        Args:
            name: the Celery task.
            task_id: its id.
            message: its keyword arguments.
            serializer: how they are written.
            summary: what people read in Flower in place of the arguments.
        """
        amqp = self._app.amqp
        task = amqp.task_protocols[2](task_id, name, (), message, argsrepr="()", kwargsrepr=summary)
        amqp.send_task_message(
            self._producer,
            name,
            task,
            exchange=self._queue.exchange.name,
            routing_key=self._queue.routing_key,
            serializer=serializer,
            declare=[],
            retry=False,
        )

    def flush(self) -> None:
        """Send what was added."""
        self._batch.flush()
