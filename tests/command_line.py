"""The command line in this process: its output and exit code, without the second of a new Python that loads us.

The pool of `processes` outlives a command here, and with it the environment of the first one: tests of that strategy,
of signals and of what is left behind start a process of their own.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from orchestrator import cli, signals
from worker.sealed_environment import FUNCTION_PATH
from worker.settings import settings


def orchestrator(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as from a shell, with no terminal and with none of our variables but these."""
    output, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", newline="") for _ in range(2))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["orchestrator", *arguments])
        patch.setattr(signals, "install", lambda: None)  # the test run has its own Ctrl-C
        for name in [name for name in os.environ if name.startswith("BREAKEVEN_")]:
            patch.delenv(name)
        for name, value in {FUNCTION_PATH: str(cwd), **variables}.items():
            patch.setenv(name, value)
        settings.cache_clear()
        with chdir(cwd), redirect_stdout(output), redirect_stderr(errors):
            code = _exit_code()
    settings.cache_clear()
    return subprocess.CompletedProcess(arguments, code, _text(output), _text(errors))


def _exit_code() -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main()
    code = ended.value.code
    assert isinstance(code, int)
    return code


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    stream.seek(0)
    return stream.read()
