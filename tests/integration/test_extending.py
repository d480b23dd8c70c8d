"""A stage, strategy, transport, report or command is one new file and one line in a registry.

The test makes a copy of the code, adds one of each as CONTRIBUTING.md says, and uses them.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

FILES = {
    "worker/stages/flip.py": '''
        """Flip a picture upside down."""

        import numpy as np


        def reference(pixels):
            return pixels[::-1]


        KERNELS = {"slices": reference, "numpy": np.flipud}
    ''',
    "orchestrator/strategies/backwards.py": '''
        """As serial, under another name."""

        from orchestrator.strategies.serial import Serial


        class Backwards(Serial):
            pass
    ''',
    "worker/payloads/folder.py": '''
        """As files, under another name."""

        from worker.payloads.files import Files


        class Folder(Files):
            summary = "bytes in a folder"
    ''',
    "orchestrator/reports/cells.py": '''
        """The cells, a line each."""


        def render(run, findings):
            return "".join(f"{each.cell.stage} {each.cell.kernel} {each.cell.strategy}\\n" for each in run.cells)
    ''',
    "orchestrator/commands/hello.py": '''
        """`hello`: greets."""


        def hello() -> int:
            """Say hello."""
            print("hello")
            return 0
    ''',
}
# In which file a registry is, its first line, the import if it needs one, and the new entry.
LINES = (
    (
        "worker/stages/__init__.py",
        "STAGES",
        "from worker.stages import flip",
        '"flip": Stage("pixels", "pixels", flip.KERNELS, "numpy", flip.reference),',
    ),
    (
        "orchestrator/strategies/__init__.py",
        "STRATEGIES",
        "",
        '"backwards": StrategyKind("last first", "orchestrator.strategies.backwards:Backwards"),',
    ),
    (
        "worker/payloads/__init__.py",
        "TRANSPORTS",
        "from worker.payloads.folder import Folder",
        '"folder": Folder,',
    ),
    (
        "orchestrator/reports/__init__.py",
        "REPORTS",
        "from orchestrator.reports import cells",
        '"cells": cells.render,',
    ),
    (
        "orchestrator/cli.py",
        "COMMANDS",
        "from orchestrator.commands.hello import hello",
        '"hello": hello,',
    ),
)
FUTURE = "from __future__ import annotations\n"


def add_line(path: Path, registry: str, import_: str, entry: str) -> None:
    """Add an entry at the start of a registry that is a literal dictionary."""
    text, found = re.subn(
        rf"^({registry}: .*= \{{)", rf"\1\n    {entry}", path.read_text(), count=1, flags=re.MULTILINE
    )
    assert found == 1, f"{path} has no literal dictionary {registry}"
    path.write_text(text.replace(FUTURE, f"{FUTURE}\n{import_}\n", 1))


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code with one of each added."""
    folder = tmp_path_factory.mktemp("extended")
    for package in ("worker", "orchestrator"):
        shutil.copytree(ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in FILES.items():
        (folder / name).write_text(re.sub(r"^ {8}", "", text, flags=re.MULTILINE))
    for name, registry, import_, entry in LINES:
        add_line(folder / name, registry, import_, entry)
    return folder


def python(copy: Path, *arguments: str) -> str:
    """The output of Python in the copy."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=copy, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def orchestrator(copy: Path, *arguments: str) -> str:
    return python(copy, "-m", "orchestrator", *arguments)


def test_a_new_stage_strategy_and_report_are_measured_and_rendered(copy: Path):
    run = ("run", "--stage", "flip", "--strategy", "serial", "--strategy", "backwards")
    orchestrator(copy, *run, "--images", "2", "--size", "16x16", "--rounds", "5", "--output", "out")
    (result,) = (copy / "out").glob("*.json")
    cells = json.loads(result.read_text())["cells"]
    measured = {(cell["stage"], cell["kernel"], cell["strategy"], cell["verified"]) for cell in cells}
    assert measured == {
        ("flip", kernel, strategy, True)
        for kernel in ("slices", "numpy")
        for strategy in ("serial", "backwards")
    }
    assert "flip numpy backwards\n" in orchestrator(copy, "report", str(result), "--format", "cells")
    assert list((copy / "out").glob("*.html"))


def test_a_new_transport_is_offered_and_carries_payloads(copy: Path):
    assert re.search(r"^  folder +bytes in a folder$", orchestrator(copy, "list"), re.MULTILINE)
    python(
        copy,
        "-c",
        "from orchestrator.inputs import source\n"
        "from orchestrator.planning.options import Options\n"
        "from orchestrator.planning.plan import resolve\n"
        "from worker.payloads import TRANSPORTS\n"
        "from worker.settings import read_settings\n"
        "plan = resolve(Options(transports=('folder',)), source.parse(source.ORIGIN))\n"
        "assert 'folder' in {cell.transport for cell in plan.cells}\n"
        "transport = TRANSPORTS['folder'].from_settings(read_settings(payload_dir='.'))\n"
        "assert transport.get(transport.put('breakeven-1', b'abc')) == b'abc'\n",
    )


def test_a_new_command_runs_and_is_in_the_help(copy: Path):
    assert orchestrator(copy, "hello") == "hello\n"
    assert "hello" in orchestrator(copy, "--help")
