"""Celery: a batch goes to a fleet's workers, message by message, and comes back.

`strategy` is the strategy. For its life it has a `way`: `publishing` there, `results` back, the `placement` of
payloads and the `leavings` to clear away. Each `batch` goes that way, and a `watch` looks after it when it goes
quiet; `outcomes` is what came of each message.

Imports are absolute here as everywhere: `from celery import …` is the library.
"""

from __future__ import annotations

from orchestrator.strategies.celery.strategy import Celery

__all__ = ["Celery"]
