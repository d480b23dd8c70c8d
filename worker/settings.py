"""Settings of a worker, from the environment or from secrets; `.env.example` names every variable."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from worker import allowed_origins as origins
from worker.redaction import escape_control, mask_credentials, redact
from worker.tls import CERTIFICATE_FILES, check_files, tls_options

PREFIX = "BREAKEVEN_"
SECRETS = Path("/run/secrets")
"""Where Docker mounts secrets. What a variable would show to `docker inspect`, a file there does not."""

LONGEST_S = 86_400
"""A day: no wait is set longer than that by more than a slip of the hand."""

Seconds = Annotated[float, Field(gt=0, le=LONGEST_S, allow_inf_nan=False)]


class SettingsError(ValueError):
    """A variable has a value that makes no sense; the message names it and says what to do."""


class Settings(BaseSettings):
    """What a worker needs to know. Every field is the variable `BREAKEVEN_<FIELD>`.

    Where that is not set it is the file `breakeven_<field>` among Docker's secrets.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
        secrets_dir=SECRETS if SECRETS.is_dir() else None,
    )

    broker_url: str = "redis://127.0.0.1:6379/0"
    """Where tasks come from and results go to."""

    payload_url: str | None = None
    """The Redis that holds payloads of the transport `redis`; the broker's where it is not set."""

    tls_ca: str | None = None
    """The authorities to trust for `rediss://`, beside the system's own: a PEM file."""

    tls_cert: str | None = None
    """Our own certificate, for a server that asks for one: a PEM file."""

    tls_key: str | None = None
    """The private key of `tls_cert`: a PEM file without a passphrase."""

    payload_dir: str | None = None
    """The folder that holds payloads of the transport `files`, the same for workers and orchestrator."""

    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Where pictures may come from (scheme://host:port, comma-separated); empty allows any http(s) origin."""

    download_max_bytes: Annotated[int, Field(gt=0, le=1 << 40)] = 64 * 1024 * 1024
    download_timeout_s: Seconds = 30.0
    connect_timeout_s: Seconds = 5.0
    read_timeout_s: Seconds = 10.0

    task_time_limit_s: Annotated[int, Field(gt=0, le=LONGEST_S)] = 120
    """A Celery message that takes longer, however many tasks it holds, is ended with its process.

    So is a single task of the strategy `processes`.
    """

    visibility_timeout_s: Annotated[int, Field(gt=0, le=2 * LONGEST_S)] = 180
    """After this long an unacknowledged task of a dead worker is given to another; over the time limit."""

    alive_file: str | None = None
    """A file that `python -m worker` touches with every heartbeat, for a health check that costs nothing."""

    @field_validator("allowed_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _in_one_spelling(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_allowed, value))

    @field_validator("broker_url", "payload_url")
    @classmethod
    def _no_tls_in_query(cls, url: str | None) -> str | None:
        if url is not None:
            check_query(url)
        return url

    @model_validator(mode="after")
    def _tls_files_can_be_used(self) -> Self:
        check_files(self.tls_ca, self.tls_cert, self.tls_key)
        return self

    @property
    def payload_store_url(self) -> str:
        """The Redis that holds payloads."""
        return self.payload_url or self.broker_url

    @property
    def tls(self) -> dict[str, Any]:
        """What a `rediss://` connection is made with."""
        return tls_options(self.tls_ca, self.tls_cert, self.tls_key)


def check_query(url: str) -> None:
    """Raise `ValueError` where a URL says how to verify a certificate: not every client would read it alike."""
    try:
        given = [name for name in parse_qs(urlsplit(url).query) if name.startswith("ssl")]
    except ValueError:
        return  # no URL at all, which whoever connects to it says better
    if given:
        raise ValueError(
            f"{escape_control(mask_credentials(url))} has {', '.join(given)} in its query; certificates and host names "
            f"are always verified: leave it away, and name files with {CERTIFICATE_FILES}"
        )


def _allowed(text: str) -> str:
    """One of `allowed_origins` in its one spelling."""
    try:
        return origins.parsed(text)
    except ValueError as error:
        raise ValueError(f"BREAKEVEN_ALLOWED_ORIGINS holds {redact(text)}: {error}") from None


@cache
def settings() -> Settings:
    """This process's settings, read once.

    Raises:
        SettingsError: a variable has a value that makes no sense.
    """
    return read_settings()


@contextmanager
def allowing(allowed: Iterable[str]) -> Iterator[None]:
    """Within it this process, and those it starts, download from these origins alone: from any, where none is named.

    What workers refuse must fail here, too, or one picture would have two outcomes.
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
    """The settings from the environment, with what is given in place of it.

    Raises:
        SettingsError: one of them makes no sense.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        raise SettingsError("; ".join(map(_in_words, error.errors(include_url=False)))) from None
    except OSError as error:
        raise SettingsError(
            f"secret {error.filename} cannot be read: {error.strerror}; let user {os.getuid()} read it"
        ) from None


def _in_words(error: Any) -> str:
    """One of pydantic's errors, without the value where it may hold a password."""
    if error["type"] == "value_error":
        return str(error["ctx"]["error"])  # our own, which names variable, value and remedy
    variable = PREFIX + "_".join(map(str, error["loc"])).upper()
    message = error["msg"][:1].lower() + error["msg"][1:]
    return f"{variable}={mask_credentials(str(error['input']))}: {message}"
