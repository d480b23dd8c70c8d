"""Settings of a worker, from the environment or from Docker's secrets; `.env.example` lists the variables."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypeAlias

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from worker import allowed_origins as origins
from worker.redaction import mask_credentials, redact_url
from worker.sealed_environment import absolute_folders
from worker.server_url import canonical_url
from worker.tls import check_files, tls_options

PREFIX: Final = "BREAKEVEN_"
SECRETS: Final = Path("/run/secrets")  # where Docker mounts secrets, which `docker inspect` does not show
MAX_SECONDS: Final = 86_400  # a day: a longer wait can only be a mistake

Seconds: TypeAlias = Annotated[float, Field(gt=0, le=MAX_SECONDS, allow_inf_nan=False)]


class SettingsError(ValueError):
    """A variable has an invalid value; the message names it and the remedy."""


class Settings(BaseSettings):
    """The settings: each field is the variable `BREAKEVEN_<FIELD>`, or else the secret `breakeven_<field>`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
    )

    broker_url: str = "redis://127.0.0.1:6379/0"  # where tasks come from and results go to
    payload_url: str | None = None  # the Redis of the transport `redis`; the broker's if not set
    payload_dir: str | None = None  # the folder of the transport `files`, shared by workers and orchestrator

    # PEM files for `rediss://`: authorities to trust in addition to the system's, our own certificate for a server that
    # requires one, and its private key without a passphrase.
    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None

    # Where pictures may come from (scheme://host:port, comma-separated); empty allows any http(s) origin.
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    download_max_bytes: Annotated[int, Field(gt=0, le=1 << 40)] = 64 * 1024 * 1024
    download_timeout_s: Seconds = 30.0
    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 10.0

    # A Celery message that takes longer, with all its tasks, is ended with its process.
    task_time_limit_s: Annotated[int, Field(gt=0, le=MAX_SECONDS)] = 120
    # After this long, an unacknowledged task of a dead worker goes to another; more than the time limit.
    visibility_timeout_s: Annotated[int, Field(gt=0, le=2 * MAX_SECONDS)] = 180

    # Remote-control commands to obey beside those that Breakeven and Flower need, such as `shutdown`.
    control: Annotated[frozenset[str], NoDecode] = frozenset()

    # The user's functions that this process may call (pkg.mod:name), and the folders of their modules, separated as in
    # PYTHONPATH; functions run in the first.
    functions: Annotated[tuple[str, ...], NoDecode] = ()
    function_path: str = ""

    alive_file: str | None = None  # touched with every heartbeat of `python -m worker`, for health checks

    @field_validator("allowed_origins", "control", "functions", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _canonical(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_allowed, value))

    @field_validator("function_path")
    @classmethod
    def _absolute(cls, value: str) -> str:
        return absolute_folders(value)  # a process that calls functions changes to the first

    @field_validator("broker_url", "payload_url")
    @classmethod
    def _canonical_url(cls, url: str | None) -> str | None:
        return None if url is None else canonical_url(url)

    @model_validator(mode="after")
    def _check_tls_files(self) -> Self:
        check_files(self.tls_ca, self.tls_cert, self.tls_key)
        return self

    @property
    def function_folders(self) -> tuple[str, ...]:
        """The folders in which modules of functions are looked for, last of all; the current one if none is set."""
        folders = tuple(folder for folder in self.function_path.split(os.pathsep) if folder)
        return folders or (str(Path.cwd()),)

    @property
    def payload_store_url(self) -> str:
        """The Redis that stores payloads."""
        return self.payload_url or self.broker_url

    @property
    def tls(self) -> dict[str, Any]:
        """The options of a `rediss://` connection."""
        return tls_options(self.tls_ca, self.tls_cert, self.tls_key)


def _allowed(text: str) -> str:
    try:
        return origins.parse(text)
    except ValueError as error:
        raise ValueError(f"BREAKEVEN_ALLOWED_ORIGINS contains {redact_url(text)}: {error}") from None


@cache
def settings() -> Settings:
    """Return this process's settings, read once; raises `SettingsError`."""
    return read_settings()


@contextmanager
def allowing(allowed: Iterable[str]) -> Iterator[None]:
    """Limit downloads of this process and its children to these origins; to any if there is none.

    What workers refuse must also fail here, so that a picture has one outcome everywhere.
    """
    name = f"{PREFIX}ALLOWED_ORIGINS"
    before = os.environ.get(name)
    os.environ[name] = ",".join(allowed)
    settings.cache_clear()
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
        settings.cache_clear()


def read_settings(**given: Any) -> Settings:
    """Read the settings from the environment, except those that are given, or raise `SettingsError`."""
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError("; ".join(map(_describe, error.errors(include_url=False)))) from None
    except OSError as error:
        raise SettingsError(
            f"secret {error.filename} cannot be read: {error.strerror}; let user {os.getuid()} read it"
        ) from None


def _describe(error: Any) -> str:
    """Word one of pydantic's errors, masking passwords in the value."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])  # raised above, with variable, value and remedy
    variable = PREFIX + "_".join(map(str, error["loc"])).upper()
    message = error["msg"][:1].lower() + error["msg"][1:]
    return f"{variable}={mask_credentials(str(error['input']))}: {message}"
