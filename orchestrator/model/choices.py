"""What a cell or a plan has by name. Loads nothing heavy, because `--help` needs it."""

from __future__ import annotations

from typing import Final, Literal

Data = Literal["local", "resident"]
Events = Literal["on", "off"]
Pool = Literal["prefork", "solo", "threads"]
Style = Literal["tuned", "idiomatic"]
SweptAxis = Literal["size", "latency", "chunk", "tasks", "work"]
Axis = Literal["slots", "rate", SweptAxis]
ArrivalProcess = Literal["poisson", "constant"]

DEFAULT_POOL: Final[Pool] = "prefork"  # Celery's own default
