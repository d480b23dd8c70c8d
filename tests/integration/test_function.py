"""A user's function through the command line: measured in every strategy, and contained whatever it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import start_broker
from tests.command_line import orchestrator

JOBS = """
import os, sys, time
from pathlib import Path

def pair(x):
    if isinstance(x, list): x = x.pop()  # which changes the input
    return {"twice": (2 * (x or 0), float("nan")), "text": Path("here.txt").read_text()}
async def later(x):
    import asyncio
    await asyncio.sleep(0.002)
    return x
def some(x):
    if x == 3: raise ValueError(f"{x} at {time.time()}")
    if x == 4: sys.exit(4)
    if x == 5: os._exit(5)
    if x == 6: time.sleep(1000)
    print("loud" * 100_000)
    os.chdir("/")
    return sys.stdin.read()
def all_raise(x): raise ValueError("no")
def random(x): return os.urandom(4)
def picture(x):
    from PIL import Image
    return Image.new("RGB", (1, 1))
def sleeps(x): time.sleep(1000)
def longer(x): return x.append(0)
def many(x): return [[0] * 900_000] * 3
def raises(x):
    if x == 1: raise ValueError("no")
    return x
def main_thread_only(x):
    import threading
    if threading.current_thread() is not threading.main_thread(): os._exit(5)
    return x
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "fn_cli.py").write_text(JOBS)
    (tmp_path / "here.txt").write_text("found")
    return tmp_path


def run(folder: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "orchestrator", *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def cells_of(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    document = json.loads(done.stdout)
    return {cell["strategy"]: cell for cell in document["cells"]}


def test_every_strategy_gives_what_serial_calls_give_from_the_users_folder(folder: Path) -> None:
    done = run(
        folder,
        "run",
        "--function",
        "fn_cli:pair",
        "--inputs",
        "-",
        "--rounds",
        "1",
        "--json",
        "-",
        stdin="[1]\nnull\n[3, 4]\n",
    )
    assert done.returncode == 0, done.stderr
    cells = cells_of(done)
    assert set(cells) == {"serial", "threads", "processes", "celery"}
    assert all(cell["samples"][0]["ok"] == 3 and not cell["samples"][0]["wrong"] for cell in cells.values())
    assert "fn_cli:pair: " in done.stderr
    assert "will be called about" in done.stderr
    timed = {each["strategy"] for each in json.loads(done.stdout)["preflight"]["overheads"]}
    assert timed == {"threads", "processes", "celery"}


def test_a_function_that_does_its_worst_hurts_its_own_tasks_alone(folder: Path) -> None:
    done = run(
        folder,
        "run",
        "--function",
        "fn_cli:some",
        "--inputs",
        "range(8)",
        "--rounds",
        "1",
        "--budget",
        "5",
        "--json",
        "-",
    )
    assert done.returncode == 1, done.stderr
    for cell in cells_of(done).values():
        (sample,) = cell["samples"]
        assert (sample["ok"], sample["failed"], sample["lost"], sample["wrong"]) == (4, 2, 0, 0), cell
        kinds = {failure["task"]: failure["type"] for failure in cell["failures"]}
        assert kinds == {3: "ValueError", 4: "SystemExit", 5: "Lost", 6: "Lost"}


def test_a_coroutine_is_run_by_asyncio_too(folder: Path) -> None:
    done = run(
        folder, "run", "--function", "fn_cli:later", "--inputs", "range(20)", "--rounds", "1", "--json", "-",
        "--strategy", "serial", "--strategy", "asyncio",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert cells_of(done)["asyncio"]["samples"][0]["ok"] == 20


def under_load(*arguments: str, strategies: str) -> list[str]:
    chosen = [argument for name in strategies.split() for argument in ("--strategy", name)]
    return ["load", "--function", *arguments, *chosen, "--slots", "1", "--arrivals", "constant"]


def test_tasks_under_load_take_the_inputs_in_turn_and_their_outputs_are_verified(folder: Path) -> None:
    arguments = under_load("fn_cli:raises", "--inputs", "range(3)", strategies="threads processes celery")
    done = run(folder, *arguments, "--rate", "30", "--duration", "1", "--rounds", "1", "--json", "-")
    assert done.returncode == 1, done.stderr  # a third of the tasks failed, as they did in serial calls
    cells = cells_of(done)
    assert set(cells) == {"threads", "processes", "celery"}
    for cell in cells.values():
        (sample,) = cell["samples"]
        counts = [sample[name] for name in ("tasks", "ok", "failed", "lost", "wrong")]
        assert counts == [30, 20, 10, 0, 0]
        assert len(sample["trace"]["ended_us"]) == 90
        assert [each["task"] for each in cell["failures"]] == [1]
    assert "1.00 s a sample; tasks take 3 inputs in turn" in done.stderr


def test_a_function_that_ends_its_process_under_load_loses_that_sample_alone(folder: Path) -> None:
    arguments = under_load("fn_cli:main_thread_only", "--inputs", "range(3)", strategies="threads processes")
    done = run(folder, *arguments, "--rate", "30", "--duration", "1", "--rounds", "1", "--json", "-")
    assert done.returncode == 1, done.stderr
    cells = cells_of(done)
    (lost,), (kept,) = cells["threads"]["samples"], cells["processes"]["samples"]
    assert (lost["ok"], lost["lost"]) == (0, 90)
    assert lost["disturbed"] == "fn_cli:main_thread_only ended its process with exit code 5"
    assert (kept["ok"], kept["lost"], kept["disturbed"]) == (30, 0, None)


def test_an_interrupt_keeps_what_was_measured_of_a_function_under_load(folder: Path) -> None:
    arguments = under_load("fn_cli:raises", "--inputs", "range(3)", strategies="threads")
    command = [sys.executable, "-m", "orchestrator", *arguments, "--rate", "50", "--duration", "100"]
    environment = {
        **os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "BREAKEVEN_PROGRESS_S": "0.1"
    }  # fmt: skip
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "threads at 50/s, 2 s: latency" in line:
                break
        child.send_signal(signal.SIGINT)
        _, errors = child.communicate(timeout=30)
    assert child.returncode == 130, errors
    (path,) = (folder / "results").glob("*.json")
    ((sample,),) = (cell["samples"] for cell in json.loads(path.read_text())["cells"])
    assert sample["disturbed"] == "interrupted, so it ended early"
    assert 1.0 <= sample["trace"]["duration_s"] < 60.0
    assert sample["ok"] + sample["failed"] >= 40


@pytest.mark.parametrize(
    ("function", "more", "code", "says"),
    [
        ("fn_cli:pari", [], 2, "fn_cli has no pari; did you mean fn_cli:pair?"),
        ("fn_cli:all_raise", [], 1, "failed on every input that was tried (3); the first: ValueError: no"),
        ("fn_cli:random", [], 2, "gave another output for input"),
        ("fn_cli:picture", [], 2, "fn_cli:picture returns a PIL.Image; use its bytes or an array (input 1)"),
        ("fn_cli:many", [], 2, "its output are too large together: more than 2,000,000 values; use arrays"),
        ("fn_cli:sleeps", ["--budget", "1"], 2, "did not end within 1 s on input 1, the whole --budget"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_line_before_anything_is_started(
    folder: Path, function: str, more: list[str], code: int, says: str
) -> None:
    done = orchestrator("run", "--function", function, "--inputs", "range(3)", *more, cwd=folder)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_function_that_changes_inputs_is_refused_under_load_where_tasks_share_them(folder: Path) -> None:
    (folder / "lists.jsonl").write_text("[1]\n[2]\n")
    options = ("--inputs", "lists.jsonl", "--rate", "20", "--dry-run")
    done = orchestrator("load", "--function", "fn_cli:longer", *options, cwd=folder)
    assert done.returncode == 2
    assert "fn_cli:longer changes its inputs. Under load, an input is given to one task after" in done.stderr


def test_a_module_that_cannot_be_imported_again_after_its_function_cost_the_process_is_named(
    folder: Path,
) -> None:
    (folder / "fn_once.py").write_text("""
import os
from pathlib import Path

if Path("begun").exists(): os._exit(4)

def work(x):
    Path("begun").touch()
    os._exit(3)
""")
    done = orchestrator("run", "--function", "fn_once:work", "--inputs", "range(3)", cwd=folder)
    assert done.returncode == 3
    assert (
        "fn_once:work cost its process; started again, it ended its process with exit code 4" in done.stderr
    )
    assert "Traceback" not in done.stderr


def test_a_dry_run_says_what_it_would_do_and_stops(folder: Path) -> None:
    options = ("--inputs", "range(3)", "--no-verify", "--dry-run")
    done = orchestrator("run", "--function", "fn_cli:random", *options, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("fn_cli:random: ")
    assert not (folder / "results").exists()


@pytest.fixture(scope="module")
def workers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ChildProcesses, str, Path]]:
    """A broker that other people's workers share, and the folder in which those have their functions."""
    folder = tmp_path_factory.mktemp("theirs")
    (folder / "fn_cli.py").write_text(JOBS)
    (folder / "here.txt").write_text("found")
    with ChildProcesses() as processes:
        yield processes, start_broker(processes), folder


def start_worker(processes: ChildProcesses, broker: str, folder: Path, functions: str) -> None:
    if "worker1" in processes.pids:
        processes.stop("worker1")
        while "worker1" in processes.pids:
            processes.poll(timeout_s=0.2)
    processes.start(
        "worker1",
        [sys.executable, "-m", "worker"],
        {
            "BREAKEVEN_BROKER_URL": broker,
            "BREAKEVEN_FUNCTIONS": functions,
            "BREAKEVEN_FUNCTION_PATH": str(folder),
        },
        is_worker=True,
    )


@pytest.mark.parametrize(
    ("allowed", "ours", "theirs", "code", "says"),
    [
        ("", JOBS, JOBS, 3, "does not allow fn_cli:pair; start it with BREAKEVEN_FUNCTIONS=fn_cli:pair"),
        (
            "fn_cli:pair",
            f"{JOBS}\n",
            JOBS,
            3,
            "has another version of the module fn_cli; bring the same file",
        ),
        (
            "fn_cli:pair",
            JOBS,
            f"import fn_absent\n{JOBS}",
            3,
            "cannot call fn_cli:pair: fn_cli fails to import",
        ),
        ("fn_cli:pair", JOBS, JOBS, 3, "does not do input 1 as this machine does (FileNotFoundError"),
        ("os:getcwd,fn_cli:pair", JOBS, JOBS, 0, ""),
    ],
)
def test_workers_of_others_call_only_what_their_operator_allows(
    folder: Path,
    workers: tuple[ChildProcesses, str, Path],
    allowed: str,
    ours: str,
    theirs: str,
    code: int,
    says: str,
) -> None:
    processes, broker, there = workers
    (folder / "fn_cli.py").write_text(ours)
    (there / "fn_cli.py").write_text(theirs)
    (there / "here.txt").unlink(missing_ok=True)
    if "FileNotFound" not in says:
        (there / "here.txt").write_text("found")
    start_worker(processes, broker, there, allowed)
    done = orchestrator(
        "run", "--function", "fn_cli:pair", "--inputs", "range(3)", "--broker", broker, "--rounds", "1",
        "--strategy", "serial", "--strategy", "celery", "--json", "-", cwd=folder,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert says in done.stderr
