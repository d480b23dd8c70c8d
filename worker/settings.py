"""Settings of a worker, from the environment; `.env.example` names every variable."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class Settings(BaseSettings):
    """What a worker needs to know. Every field is the variable `BREAKEVEN_<FIELD>`."""

    model_config = SettingsConfigDict(env_prefix="BREAKEVEN_", frozen=True)

    broker_url: str = "redis://127.0.0.1:6379/0"
    """Where tasks come from and results go to."""

    payload_url: str | None = None
    """The Redis that holds payloads of the transport `redis`; the broker's where it is not set."""

    payload_dir: str | None = None
    """The folder that holds payloads of the transport `files`, the same for workers and orchestrator."""

    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Where pictures may come from (scheme://host:port, comma-separated); empty allows any http(s) origin."""

    download_max_bytes: Annotated[int, Field(gt=0)] = 64 * 1024 * 1024
    download_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    connect_timeout_s: Annotated[float, Field(gt=0)] = 5.0
    read_timeout_s: Annotated[float, Field(gt=0)] = 10.0

    task_time_limit_s: Annotated[int, Field(gt=0)] = 120
    """A task that runs longer is ended with its process."""

    visibility_timeout_s: Annotated[int, Field(gt=0)] = 180
    """After this long an unacknowledged task of a dead worker is given to another; over the time limit."""

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip().rstrip("/") for part in value.split(",") if part.strip())
        return value

    @property
    def payload_store_url(self) -> str:
        """The Redis that holds payloads."""
        return self.payload_url or self.broker_url


@cache
def settings() -> Settings:
    """This process's settings, read once.

    Raises:
        pydantic.ValidationError: a variable has a value that makes no sense.
    """
    return Settings()
