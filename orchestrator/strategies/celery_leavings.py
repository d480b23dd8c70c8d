"""What a Celery batch leaves behind, and how it is cleared away: inputs, results, answers that nobody awaits."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from orchestrator.strategies.celery_outcomes import Shipment, answer_of
from orchestrator.strategies.celery_results import Results
from worker.messages import ForeignMessageError
from worker.payloads.transport import Reference, Transport

WITHDRAW_S = 5.0
"""How long a batch that is given up waits for what the workers have begun, so that it can be cleaned away."""


class Leavings:
    """Keeps account of what has to be deleted, and of which messages were answered."""

    def __init__(self, transport: Transport, results: Results) -> None:
        """Delete payloads by `transport`, and results by `results`."""
        self._transport = transport
        self._results = results
        self._payloads: list[Reference] = []
        self._ids: list[str] = []
        self._answered: set[str] = set()
        self.duplicated = 0
        """Answers of this batch that came a second time."""

    def begin(self) -> None:
        """Another batch begins."""
        self._answered.clear()
        self.duplicated = 0

    def answered(self, id_: str, shipment: Shipment) -> None:
        """A message was answered: its inputs and its result have served."""
        self._answered.add(id_)
        self._ids.append(id_)
        self._payloads.extend(shipment.references)

    def unawaited(self, id_: str, meta: dict[str, Any]) -> None:
        """Count an answer that came a second time; throw away one that an earlier batch did not wait for."""
        if id_ in self._answered:
            self.duplicated += 1
        else:
            self._discard(id_, meta)

    def withdraw(self, under_way: dict[str, Shipment], recalled: Iterable[str]) -> None:
        """After an early end: forget the messages that were taken back, and wait a while for the others."""
        for shipment in under_way.values():
            self._payloads.extend(shipment.references)
        for id_ in recalled:
            under_way.pop(id_, None)
        deadline = time.monotonic() + WITHDRAW_S
        while under_way and time.monotonic() < deadline:
            for id_, meta in self._results.receive(under_way, 0.1):
                under_way.pop(id_, None)
                self._discard(id_, meta)
        under_way.clear()

    def clear(self) -> None:
        """Delete all that has served."""
        self._transport.delete(self._payloads)
        self._results.forget(self._ids)
        self._payloads.clear()
        self._ids.clear()

    def _discard(self, id_: str, meta: dict[str, Any]) -> None:
        """Have an answer that nobody waits for deleted, with the outputs it names."""
        self._ids.append(id_)
        with suppress(ForeignMessageError):
            entries = answer_of(meta).entries
            self._payloads.extend(entry.output for entry in entries if entry.output is not None)
