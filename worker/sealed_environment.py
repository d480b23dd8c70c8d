"""The environment of our processes: the user's, without what other programs' settings would change in them.

A user's own project may be configured by the same variables: with their `CELERY_BROKER_URL`, our messages went through
their Redis. What the user means for Breakeven has its own names, `BREAKEVEN_*`. Only the standard library is imported
here, because the orchestrator starts over with this environment before it imports anything else.
"""

from __future__ import annotations

import os
import pwd
import site
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NoReturn

# Read by Celery 5.7, kombu 5.7, billiard 4.3, Flower 2.2, Tornado 6.6, prometheus_client 0.26, pytz and click-plugins:
# `grep -rnE "environ|getenv|envvar"` in their sources. `CELERY_` is also the prefix of every option of every command
# (`auto_envvar_prefix` in celery/bin/celery.py). redis-py 8.1 reads none; `REDIS_` is what images of Redis read.
FOREIGN_PREFIXES: Final = (
    "CELERY_",
    "FLOWER_",
    "KOMBU_",
    "REDIS_",
    "TORNADO_",
    "PROMETHEUS_",
    "PYTZ_",
    "PYTHON",  # CPython 3.11 to 3.14: `python --help-env`, Doc/using/cmdline.rst
    "DJANGO_",  # celery/fixups/django.py, billiard/spawn.py
    "_MP_FORK_",  # celery/app/log.py, billiard/spawn.py
)
FOREIGN: Final = frozenset(
    (
        # celery/bin/celery.py: options of `celery` itself
        *("APP", "BROKER_URL", "RESULT_BACKEND", "LOADER", "CONFIG_MODULE", "SKIP_CHECKS"),
        # celery/__init__.py, _state.py, platforms.py, loaders/default.py, worker/autoscale.py, worker/state.py, utils/
        *(
            "C_IMPDEBUG",
            "EVENTLET_NOBLOCK",
            "C_STRICT_APP",
            "C_WARN_APP",
            "NOSETPS",
            "C_FORCE_ROOT",
            "C_WNOCONF",
        ),
        *("AUTOSCALE_KEEPALIVE", "C_BENCH", "C_BENCH_EVERY", "C_FAKEFORK", "C_REMDEBUG", "USE_FAST_LOCALS"),
        *("TIMER_DEBUG", "MP_MAIN_FILE", "MP_LOG", "FORKED_BY_MULTIPROCESSING", "celery_dummy_proxy"),
        # kombu/log.py, kombu/serialization.py; billiard/common.py, billiard/popen_spawn_posix.py
        *("DISABLE_TRACEBACKS", "PICKLE_PROTOCOL", "REMAP_SIGTERM", "MULTIPROCESSING_FORKING_DISABLE"),
        *("CLICK_PLUGINS_HONESTLY", "prometheus_multiproc_dir"),
    )
)
# Where the interpreter lies, without which it may not start, and where it must not write. They change no result.
KEPT: Final = frozenset(
    ("PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED")
)
# What a program needs that is no worker: where programs and libraries are, how text is written, and the time zone.
NEEDED: Final = frozenset(
    ("PATH", "HOME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
)
NEEDED_PREFIXES: Final = ("LC_", "PYTHON")
# Where modules of the user's functions are looked for, last of all (`worker.functions`).
FUNCTION_PATH: Final = "BREAKEVEN_FUNCTION_PATH"
# Files and folders that a variable of ours may name by a path relative to the folder where the user is.
PATHS: Final = tuple(
    f"BREAKEVEN_{name}" for name in ("TLS_CA", "TLS_CERT", "TLS_KEY", "PAYLOAD_DIR", "ALIVE_FILE")
)


def sealed(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without the variables of other programs, and with imports from our folders only."""
    kept = {
        name: value
        for name, value in environment.items()
        if name in KEPT or not (name in FOREIGN or name.startswith(FOREIGN_PREFIXES))
    }
    absolute = {name: os.path.abspath(kept[name]) for name in PATHS if kept.get(name)}  # noqa: PTH100 - no link resolved
    if folders := kept.get(FUNCTION_PATH):
        absolute[FUNCTION_PATH] = absolute_folders(folders)
    return {**_home(kept), **kept, **absolute, "PYTHONSAFEPATH": "1", **_python_path()}


def absolute_folders(folders: str) -> str:
    """Return folders that are separated as in `PYTHONPATH`, each from the root on."""
    return os.pathsep.join(os.path.abspath(each) for each in folders.split(os.pathsep) if each)  # noqa: PTH100 - as above


def minimal(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the part of the environment that a program needs which is no worker of ours."""
    return {
        name: value
        for name, value in sealed(environment).items()
        if name in NEEDED or name.startswith(NEEDED_PREFIXES)
    }


def restart_sealed(module: str) -> None:
    """Replace this process by `python -m MODULE` in the sealed environment, unless it runs in one."""
    environment = sealed(os.environ)
    environment.setdefault(FUNCTION_PATH, _user_path())
    if sys.executable and (environment != dict(os.environ) or _imports_from_current_folder()):
        _restart(module, environment)


def imports_ours_only() -> bool:
    """Return whether no folder of the user's comes before ours when modules are imported."""
    return not os.environ.get("PYTHONPATH") and not _imports_from_current_folder()


def _restart(module: str, environment: Mapping[str, str]) -> NoReturn:
    os.execve(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]], environment)  # noqa: S606 - ourselves


def _imports_from_current_folder() -> bool:
    """Return whether `python -m` put the current folder, and so any `redis.py` in it, before all others."""
    try:
        return not sys.flags.safe_path and sys.path[0] == os.getcwd()  # noqa: PTH109 - as Python writes it there
    except (IndexError, OSError):
        return False


def _user_path() -> str:
    """Return the folders where `python -m` would find the user's modules: the current one and their `PYTHONPATH`."""
    named = [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if folder]
    with suppress(OSError):  # the current folder was deleted
        return os.pathsep.join(dict.fromkeys(map(os.path.abspath, (".", *named))))
    return ""


def _home(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a `HOME` for a user who has none and is not in the password file: libraries look for it when imported."""
    if environment.get("HOME"):
        return {}
    try:
        pwd.getpwuid(os.getuid())
    except KeyError:
        return {"HOME": "/"}
    return {}


def _python_path() -> dict[str, str]:
    """Return `PYTHONPATH` with the folders of our package and of Celery, unless Python looks there anyway."""
    ours = Path(__file__).resolve().parents[1]
    celery = [
        Path(entry) for entry in sys.path if entry and (Path(entry) / "celery" / "app" / "base.py").exists()
    ]
    known = {Path(folder).resolve() for folder in site.getsitepackages()}
    folders = [folder.resolve() for folder in (ours, *celery[:1])]
    added = dict.fromkeys(str(folder) for folder in folders if folder not in known)
    return {"PYTHONPATH": os.pathsep.join(added)} if added else {}
