"""The Celery strategy: a batch becomes messages, which a fleet's workers serve.

`strategy` implements the interface; `batch` publishes the messages of one batch and collects the replies over a
`connection`; `outcomes` are what a reply says of its tasks; `payload_io` stores inputs and fetches outputs;
`watchdog` checks on a batch that has gone quiet; `cleanup` deletes what is left at the broker. `idiomatic` does a batch
as Celery's documentation shows it.
"""

from __future__ import annotations

from orchestrator.strategies.celery.idiomatic import IdiomaticCelery
from orchestrator.strategies.celery.strategy import Celery

__all__ = ["Celery", "IdiomaticCelery"]
