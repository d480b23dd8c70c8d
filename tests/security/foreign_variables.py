"""The environment variables that Celery, kombu, Flower and CPython read for themselves, from what is installed.

They are read from the sources, so that a new release that reads another one fails the tests.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click
from celery.bin.celery import celery
from flower import options as flower_options
from tornado.options import options as tornado_options

PACKAGES: Final = (
    "celery",
    "kombu",
    "billiard",
    "vine",
    "flower",
    "tornado",
    "prometheus_client",
    "click_plugins",
)
READ: Final = re.compile(
    r"""(?:environ(?:\.get|\.setdefault)?[\[(]|env\(|envvar=)\s*(?:name=)?['"](\w+)['"]"""
)
# Parts that are never loaded here: what drives other brokers and stores, and what is for tests and debuggers.
UNUSED: Final = re.compile(
    r"kombu/transport/(?!redis|virtual|base)|celery/backends/(?!redis|base)|celery/contrib/|/tests?/|tornado/testing|"
    r"tornado/wsgi|prometheus_client/(asgi|exposition)"  # these two read the variables of a request
)
# They say what the terminal and the machine are, as the user means them to, and change no result.
HARMLESS: Final = frozenset(
    ("TERM", "ITERM_PROFILE", "NO_COLOR", "HOME", "PATH", "PWD", "NUMBER_OF_PROCESSORS")
)
IMAGES_OF_REDIS: Final = ("REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD", "REDIS_TLS_URL")
# Without the right value of these, Python does not start, so that nothing of ours could mend them.
INTERPRETER: Final = frozenset(("PYTHONHOME", "PYTHONPLATLIBDIR"))


def read_in_sources() -> set[str]:
    """Return the names that these packages read from `os.environ` or have click read."""
    return {name for path in _sources() for name in READ.findall(path.read_text("utf-8"))} - HARMLESS


def options_of_celery() -> set[str]:
    """Return the variables that click reads for every option of every command: CELERY_<COMMAND>_<OPTION>."""
    return set(_options(celery, "CELERY"))


def options_of_flower() -> set[str]:
    """Return the variables that Flower reads for its options: FLOWER_<OPTION>."""
    assert flower_options
    return {f"FLOWER_{name.upper().replace('-', '_')}" for name in tornado_options}


def of_python() -> set[str]:
    """Return the variables that this interpreter reads, as it says itself."""
    said = subprocess.run([sys.executable, "--help-env"], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"^(PYTHON\w+)", said, re.MULTILINE)) - INTERPRETER


def of_all() -> set[str]:
    """Return all of these names."""
    return read_in_sources() | options_of_celery() | options_of_flower() | of_python() | set(IMAGES_OF_REDIS)


def _sources() -> Iterator[Path]:
    for package in PACKAGES:
        origin = Path(str(importlib.import_module(package).__file__))
        paths = origin.parent.rglob("*.py") if origin.name == "__init__.py" else [origin]
        yield from (path for path in paths if not UNUSED.search(path.as_posix()))


def _options(command: Any, prefix: str) -> Iterator[str]:
    for option in command.params:
        if isinstance(option, click.Option):
            yield f"{prefix}_{option.name}".upper()
    for name, each in getattr(command, "commands", {}).items():
        yield from _options(each, f"{prefix}_{name}".upper().replace("-", "_"))
