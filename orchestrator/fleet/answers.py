"""What workers answer over remote control, validated: anyone who reaches the broker can answer in a worker's name."""

from __future__ import annotations

from typing import Annotated, Any, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from orchestrator.errors import UnavailableError
from worker.envelope import RejectedMessageError, validate
from worker.redaction import escape_control

Text = Annotated[str, Field(max_length=4096)]
Answer = TypeVar("Answer")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="ignore", hide_input_in_errors=True)


class FunctionDescription(_Model):
    """A user's function that a worker may call: its version, or why it cannot."""

    name: Text
    version: Text | None = None
    error: Text | None = None


class Description(_Model):
    """How a worker describes itself."""

    slots: Annotated[int, Field(ge=1, le=10_000)]
    usable_cpus: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)]
    python: Text
    clock: Text | None
    payload_dir: Text | None
    events: bool
    throttled_s: Annotated[float | None, Field(ge=0, allow_inf_nan=False)] = None
    pool: Text = "prefork"
    autoscale: bool = False
    max_tasks_per_child: int | None = None
    max_memory_per_child: int | None = None
    functions: Annotated[list[FunctionDescription], Field(max_length=1_000)] = []


class ClockReading(_Model):
    """A worker's monotonic clock."""

    monotonic_s: Annotated[float, Field(ge=0, le=1e12, allow_inf_nan=False)]


class Status(_Model):
    """A worker's process, its slot processes, the ids of its tasks, and how many messages it has rejected."""

    pid: int
    identity: Text = ""
    slots: Annotated[list[int], Field(max_length=10_000)]
    tasks: Annotated[list[Text], Field(max_length=100_000)]


class ActiveQueue(_Model):
    """A queue that a worker consumes."""

    name: Text


class EventsSwitch(_Model):
    """Whether a worker sends task events now, or why it cannot say."""

    events: bool | None = None
    error: Text = "it sends none"


class PayloadLookup(_Model):
    """Whether a worker's payload store has a payload, or why it cannot be asked."""

    found: bool = False
    error: Text | None = None


ACTIVE_QUEUES: Final = TypeAdapter(Annotated[list[ActiveQueue], Field(max_length=10_000)])


def read(kind: type[Answer] | TypeAdapter[Answer], worker: str, command: str, answer: Any) -> Answer:
    """Return a worker's answer to a command as `kind`.

    Raises:
        UnavailableError: it is not valid.
    """
    try:
        return validate(kind, answer, f"its answer to {command}")
    except RejectedMessageError as error:
        name = escape_control(worker, longest=250)
        raise UnavailableError(
            f"worker {name} gave no valid answer ({error}); stop it, or bring it to this release"
        ) from None
