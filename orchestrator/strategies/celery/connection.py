"""A Celery strategy's connections: it publishes messages through one, and receives results through another.

Neither uses Celery's convenient way. `Task.apply_async` would subscribe to each result and publish each message in a
round trip of its own; `AsyncResult` costs two commands a task.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import redis
from celery import Celery
from celery.states import READY_STATES
from kombu import Queue
from kombu.exceptions import BatchPublishError

from orchestrator import signals
from orchestrator.errors import UnavailableError
from orchestrator.fleet.connections import CONNECTION_ERRORS, close_sockets
from orchestrator.fleet.fleet import Fleet
from orchestrator.fleet.processor_time import processor_wait_s
from orchestrator.fleet.recovery import RECOVERY_S
from orchestrator.model.flow_control import MAX_IN_FLIGHT_MESSAGES
from orchestrator.strategies.celery.outcomes import failed_result
from orchestrator.strategies.celery.payload_io import PayloadIO
from worker.envelope import OversizedMessageError, RejectedMessageError
from worker.payloads.redis import ANSWER_S
from worker.payloads.transport import Transport

LOOK_UP_EVERY_S: Final = 1.0  # seconds without a publication before the awaited results are looked up
LOOK_UP_BATCH: Final = 500  # results in one MGET
ACQUIRE_S: Final = 10.0  # seconds to wait for a producer of Celery's pool


class Publisher:
    """Publishes task messages to one queue with kombu's pipelined producer, many in one round trip."""

    def __init__(self, app: Celery, queue: Queue) -> None:
        self._app = app
        self._queue = queue
        self._acquired = ExitStack()
        self._producer: Any = None

    def open(self) -> None:
        """Connect and declare the queue; do nothing if that is done."""
        if self._producer is None:
            pool = self._app.producer_pool
            self._producer = self._acquired.enter_context(pool.acquire(block=True, timeout=ACQUIRE_S))
            self.declare()

    def declare(self) -> None:
        """Bind the queue again: after a FLUSHALL the broker would drop every message to it without an error."""
        channel = self._producer.channel
        # kombu remembers what it has bound, and would not ask the broker again.
        channel.state.queue_bindings_delete(self._queue.name)
        channel.state.exchanges.pop(self._queue.exchange.name, None)
        self._queue(channel).declare()

    def drop(self) -> None:
        """Close the sockets without telling the broker, and return the producer."""
        if self._producer is not None:
            close_sockets(self._producer.channel)
        self.close()

    def close(self) -> None:
        """Return the producer to its pool."""
        self._producer = None
        self._acquired.close()

    @contextmanager
    def burst(self) -> Iterator[Callable[[], None]]:
        """Collect messages; the function that it yields sends them together.

        Raises:
            redis.RedisError: the connection broke or the broker is out of memory, and some may have been sent.
        """
        try:
            with self._producer.batch(max_size=MAX_IN_FLIGHT_MESSAGES) as batch:
                yield batch.flush
        except BatchPublishError as error:
            raise error.__cause__ or error from None

    def add(self, name: str, task_id: str, message: dict[str, Any], serializer: str, summary: str) -> None:
        """Add a message to the burst, made by the two functions that `apply_async` makes it with.

        Args:
            name: the Celery task.
            task_id: the message's id.
            message: the task's keyword arguments.
            serializer: kombu's name of their serialization.
            summary: what Flower shows instead of the arguments.
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


class ResultSubscription:
    """Receives the results of all tasks whose ids begin with `prefix`, through one pattern subscription.

    A worker stores each result under `celery-task-meta-<id>` and publishes it on the channel of that name. A
    publication is lost while nothing is subscribed, so awaited results are also looked up: after a reconnection,
    and when nothing was published for a while. Not thread-safe. `waited_s` adds up the seconds that `receive` waited,
    `processor_wait_s` those of them in which it could have gone on, but for a processor.
    """

    def __init__(self, app: Celery, client: redis.Redis, prefix: str) -> None:
        self._backend = app.backend
        self._client = client
        self._pattern = f"{self._backend.task_keyprefix.decode()}{prefix}*"
        self._pubsub: Any = None
        self._looked_up_at = 0.0
        self.waited_s = 0.0
        self.processor_wait_s = 0.0
        self.subscribe()

    def subscribe(self) -> None:
        """Subscribe on a new connection; the next `receive` looks up what was published meanwhile."""
        self._looked_up_at = 0.0
        if self._pubsub is not None:
            self._pubsub.close()
            self._client.connection_pool.disconnect()  # others of the pool may be as dead as the subscription
        self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]  # redis-py's own gap
        self._pubsub.psubscribe(self._pattern)

    def receive(
        self,
        awaited: Collection[str],
        timeout_s: float,
        on_look_up: Callable[[float, int], None] = lambda started_at, size: None,
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield task ids with their results until no further one has arrived.

        A result of state RETRY is yielded when it is published, though its task goes on.

        Args:
            awaited: ids of tasks without a result, to look up if a publication was missed.
            timeout_s: seconds to wait for the first; 0 takes only what has arrived.
            on_look_up: called after each look-up with its start (seconds, our clock) and the bytes that it read.

        Raises:
            redis.RedisError: the connection broke; `subscribe` makes a new one.
        """
        message = self._await(timeout_s)
        while message is not None:
            if message["type"] == "pmessage":
                self._looked_up_at = time.monotonic()
                yield from self._decode(message["channel"], message["data"])
                message = self._await(0.0)
            else:
                message = self._await(timeout_s)
        if timeout_s and time.monotonic() - self._looked_up_at > LOOK_UP_EVERY_S:
            yield from self._look_up(awaited, on_look_up)

    def discard(self, ids: Collection[str]) -> None:
        """Delete stored results."""
        if ids:
            self._client.unlink(*(self._backend.get_key_for_task(id_) for id_ in ids))

    def close(self) -> None:
        """Unsubscribe and close the connections."""
        self._pubsub.close()
        self._client.close()

    def _await(self, timeout_s: float) -> Any:
        """Return the next message if it begins to arrive within `timeout_s`, else `None`.

        It is then read with a longer timeout: with a short one, `get_message` would take a large message that has
        half arrived for a broken connection.
        """
        started, delayed_s = time.monotonic(), processor_wait_s() or 0.0
        arrives = self._pubsub.connection.can_read(timeout=timeout_s)
        self.waited_s += time.monotonic() - started
        self.processor_wait_s += (processor_wait_s() or 0.0) - delayed_s
        return self._pubsub.get_message(timeout=ANSWER_S) if arrives else None

    def _look_up(
        self, awaited: Collection[str], on_look_up: Callable[[float, int], None]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        self._looked_up_at = time.monotonic()
        ids = list(awaited)
        for start in range(0, len(ids), LOOK_UP_BATCH):
            keys: list[bytes] = [
                self._backend.get_key_for_task(id_) for id_ in ids[start : start + LOOK_UP_BATCH]
            ]
            started_at = time.monotonic()
            values: Any = self._client.mget(keys)
            on_look_up(started_at, sum(len(value) for value in values if value))
            for key, value in zip(keys, values, strict=True):
                if value:
                    yield from self._decode(key, value, ready_only=True)

    def _decode(
        self, key: bytes, data: bytes, ready_only: bool = False
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the result, if it is one; with `ready_only` only if its task has ended.

        Anyone who reaches the broker can write there. What is not a result is skipped: a task whose result it
        replaces has no reply then. A result that is too large ends its task: nothing better will come.
        """
        id_ = key.decode(errors="replace").removeprefix(self._backend.task_keyprefix.decode())
        try:
            meta = self._backend.decode_result(data)
        except OversizedMessageError as error:
            meta = failed_result(id_, error)
        except RejectedMessageError:
            return
        if meta["task_id"] == id_ and (meta["status"] in READY_STATES or not ready_only):
            yield id_, meta


@dataclass(slots=True)
class Connection:
    """Everything a strategy keeps open to its fleet, and how it is reconnected.

    `reconnects` counts the reconnections of the fleet's own connections when these were made.
    """

    fleet: Fleet
    transport_name: str
    transport: Transport
    payload_io: PayloadIO
    publisher: Publisher
    results: ResultSubscription
    reconnects: int

    @property
    def is_stale(self) -> bool:
        """Whether another strategy has reconnected since, so that these connections are dead too."""
        return self.reconnects != self.fleet.reconnects

    def reconnect(self, error: Exception) -> None:
        """Wait until broker and payload store answer again after `error`, and connect to them.

        Raises:
            UnavailableError: they did not come back in time.
        """
        # One deadline for one loss: another strategy may have waited for the same server in vain.
        deadline = time.monotonic() + (0.0 if self.fleet.is_unreachable else RECOVERY_S)
        while True:
            signals.check()
            try:
                self.fleet.check()
                self.fleet.disconnect()
                self.fleet.run_queue.ping()
                self.renew()
            except CONNECTION_ERRORS as again:
                error = again
                if time.monotonic() >= deadline:
                    break
                time.sleep(0.1)
            else:
                self.fleet.is_unreachable = False
                return
        self.fleet.is_unreachable = True
        raise UnavailableError(
            f"the broker or the payload store went away and did not come back within {RECOVERY_S:.0f} s ({error}); "
            "check that it still runs, then run again"
        )

    def renew(self) -> None:
        """Replace the strategy's own connections.

        Raises:
            redis.RedisError, OperationalError: the broker or the payload store does not answer.
        """
        self.publisher.drop()
        self.transport.reconnect()
        self.publisher.open()
        self.results.subscribe()
        self.reconnects = self.fleet.reconnects

    def close(self) -> None:
        """Close the connections."""
        self.publisher.close()
        self.results.close()
        self.transport.close()
