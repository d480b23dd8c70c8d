"""Publishing Celery tasks: kombu's pipelined producer, with messages that Celery's own workers understand.

`Task.apply_async` would subscribe to every result it will never read, and send each message in a round trip
of its own. What it does besides, making the message and handing it to the producer, is done here by the
same two functions of Celery that it calls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from celery import Celery
from kombu import Queue

from orchestrator.fleet.connections import close_sockets


class Publisher:
    """Sends task messages to one queue, as many as there are in one round trip."""

    def __init__(self, app: Celery, queue: Queue) -> None:
        """Send to `queue`; nothing is connected before `open`."""
        self._app = app
        self._queue = queue
        self._held = ExitStack()
        self._producer: Any = None

    def open(self) -> None:
        """Connect and declare the queue, unless that is done."""
        if self._producer is None:
            self._producer = self._held.enter_context(self._app.producer_pool.acquire(block=True, timeout=10))
            self._queue(self._producer.channel).declare()

    def drop(self) -> None:
        """Close the connection, and give it back to be made anew."""
        if self._producer is not None:
            close_sockets(self._producer.channel)
        self.close()

    def close(self) -> None:
        """Give the connection back."""
        self._producer = None
        self._held.close()

    @contextmanager
    def burst(self) -> Iterator[Callable[[], None]]:
        """What is added within goes out together when the function that this gives is called."""
        with self._producer.batch(max_size=1000) as batch:
            yield batch.flush

    def add(self, name: str, task_id: str, message: dict[str, Any], serializer: str, summary: str) -> None:
        """Put one task message into the burst.

        Args:
            name: the Celery task.
            task_id: its id.
            message: its keyword arguments.
            serializer: how they are written.
            summary: what people read in Flower in place of the arguments.
        """
        amqp = self._app.amqp
        task = amqp.task_protocols[2](task_id, name, (), message, argsrepr=summary, kwargsrepr="{}")
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
