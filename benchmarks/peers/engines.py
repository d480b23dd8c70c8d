"""How do task queues compare? The same tasks through Celery, dramatiq, RQ, huey and taskiq.

    python benchmarks/peers/engines.py [--quick] [--update-docs]

One embedded broker, two worker processes that do one task at a time, started as the documentation of each
engine does (`engines/` has an app for each; the table shows the settings). In each of 9 rounds every engine is
started, used and ended, in a fresh order, so that no other engine's workers run.

- Start-up: from starting the workers to the first result.
- No-op: 300 tasks sent one by one, then every result awaited. A task only writes its number down.
- 10 ms: 100 tasks that sleep for 10 ms. Two run at a time, so whatever exceeds 5 ms per task is the engine's.

Every task must have run exactly once, by what the tasks wrote down, and returned its own number; otherwise the
script ends. Takes three minutes, with --quick one.
"""

from __future__ import annotations

import importlib
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Self
from unittest import mock

from orchestrator.analysis.stats.intervals import estimate, ratio
from orchestrator.fleet.child_processes import ChildProcesses
from orchestrator.fleet.embedded import start_broker
from orchestrator.model.findings import Estimate
from orchestrator.phrases.numbers import number
from worker.payloads.redis import connect

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.shared.page import Page, parser
from benchmarks.shared.rows import DOCUMENT, interval, packages, progress
from benchmarks.shared.turns import stopwatch

APPS = Path(__file__).parent / "engines"
ENGINES = {
    "Celery": "with_celery",
    "dramatiq": "with_dramatiq",
    "RQ": "with_rq",
    "RQ, SimpleWorker": "with_rq_simple",
    "huey": "with_huey",
    "taskiq": "with_taskiq",
}
ROUNDS, QUICK_ROUNDS = 9, 2
NOOPS, NAPS, WARM_UP = 300, 100, 20
NAP_S, SLOTS = 0.010, 2
END_S = 30.0

FIRST_S = 60.0  # seconds until an engine without an answer counts as broken


class Client:
    """A process that sends one engine's tasks and waits for them, while workers come and go."""

    def __init__(self, app: str) -> None:
        """Nothing starts before the context is entered; `app` is a module of `engines/`."""
        self._app = app

    def __enter__(self) -> Self:
        """Start the process, which returns how its workers are started and with what settings."""
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self._app, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self.commands, self.settings = self._answer()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self._process.kill()
        self._process.join()

    def seconds(self, what: str, count: int) -> float:
        """Do `noops` or `naps` and return the seconds until every result, which must be its own number."""
        self._connection.send((what, count))
        seconds, results = self._answer()
        if results != list(range(count)):
            raise RuntimeError(f"{self._app} gave {results} for {count} {what}")
        return float(seconds)

    def _answer(self) -> tuple[object, object]:
        if not self._connection.poll(FIRST_S * 2):
            raise RuntimeError(f"{self._app} gave no answer within {2 * FIRST_S:.0f} s")
        answer: tuple[object, object] = self._connection.recv()
        return answer


def _serve(name: str, connection: Connection) -> None:
    """Run the client's process: time batches without garbage collection."""
    sys.path.insert(0, str(APPS))
    app = importlib.import_module(name)
    connection.send((app.COMMANDS, app.SETTINGS))
    while True:
        what, count = connection.recv()
        results: list[int] = []
        seconds = stopwatch(
            lambda what=what, count=count, kept=results: kept.extend(getattr(app, what)(count))
        )
        connection.send((seconds(), results))


@dataclass(frozen=True)
class Bench:
    """The broker that all engines use, and the file in which their tasks write their numbers."""

    processes: ChildProcesses
    url: str
    marks: Path

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment of clients and workers."""
        return {"BENCH_URL": self.url, "BENCH_MARKS": str(self.marks), "PYTHONPATH": str(APPS)}

    def start(self, client: Client, prefix: str) -> list[str]:
        """Start the workers of an engine; return their names."""
        names = []
        for index, command in enumerate(client.commands):
            program, *arguments = command
            names.append(f"{prefix}-{index}")
            path = str(Path(sys.executable).with_name(program))
            self.processes.start(names[-1], [path, *arguments], self.environment)
        return names

    def stop(self, names: Sequence[str]) -> None:
        """End the workers, wait until they are gone, and delete what they left on the broker."""
        for name in names:
            self.processes.stop(name)
        deadline = time.monotonic() + END_S
        while not set(names) <= self.processes.ended.keys():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{names} did not end within {END_S:.0f} s")
            self.processes.poll(0.1)
        with connect(self.url.replace("unix://", "redis+socket://", 1)) as client:
            client.flushall()

    def seconds(self, client: Client, what: str, count: int) -> float:
        """Time one batch, every task of which must have run exactly once."""
        self.marks.write_bytes(b"")
        seconds = client.seconds(what, count)
        ran = Counter(map(int, self.marks.read_text(encoding="ascii").split()))
        if ran != Counter(range(count)):
            raise RuntimeError(f"of {count} {what} some ran never or twice: {ran - Counter(range(count))}")
        return seconds


Samples = dict[str, dict[str, dict[int, float]]]  # seconds by what was timed, engine and round


def measured(bench: Bench, clients: Mapping[str, Client], rounds: int) -> Samples:
    """Start, use and end every engine once per round."""
    order = random.Random(1)  # noqa: S311 - an order that can be had again, not a secret
    found: Samples = {what: {engine: {} for engine in clients} for what in ("start-up", "noops", "naps")}
    for round_ in range(rounds):
        progress(f"engines, round {round_ + 1} of {rounds}")
        for engine in order.sample(list(clients), len(clients)):
            client = clients[engine]
            began = time.perf_counter()
            names = bench.start(client, f"{ENGINES[engine]}-{round_}")
            bench.seconds(client, "noops", 1)
            found["start-up"][engine][round_] = time.perf_counter() - began
            bench.seconds(client, "noops", WARM_UP)
            found["noops"][engine][round_] = bench.seconds(client, "noops", NOOPS) / NOOPS
            found["naps"][engine][round_] = bench.seconds(client, "naps", NAPS) / NAPS
            bench.stop(names)
    return found


def table(found: Samples, settings: Mapping[str, str]) -> list[str]:
    """Return the engines as Markdown, the fastest with empty tasks first."""

    def cell(what: str, engine: str, unit_s: float) -> str:
        point = estimate([*found[what][engine].values()])
        assert point is not None
        return _with_interval(point.scaled(1 / unit_s))

    def key(engine: str) -> float:
        point = estimate([*found["noops"][engine].values()])
        return point.point if point is not None else 0.0

    lines = [
        "| engine | no-op, ms a task | of Celery's | 10 ms, ms a task | start-up, s | settings |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for engine in sorted(settings, key=key):
        versus = ratio(found["noops"][engine], found["noops"]["Celery"])
        assert versus is not None
        cells = (
            engine,
            cell("noops", engine, 1e-3),
            _with_interval(versus) if engine != "Celery" else "1",
            cell("naps", engine, 1e-3),
            cell("start-up", engine, 1.0),
            settings[engine],
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _with_interval(figure: Estimate) -> str:
    return f"{number(figure.point)} ({interval(figure)})"


def main() -> int:
    """Print the table."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options, DOCUMENT)
    with ExitStack() as stack:
        processes = stack.enter_context(ChildProcesses())
        url = start_broker(processes).replace("redis+socket://", "unix://", 1)
        bench = Bench(processes, url, processes.folder / "marks")
        with mock.patch.dict("os.environ", bench.environment):
            clients = {engine: stack.enter_context(Client(app)) for engine, app in ENGINES.items()}
        found = measured(bench, clients, QUICK_ROUNDS if options.quick else ROUNDS)
        for line in table(found, {engine: client.settings for engine, client in clients.items()}):
            page.say(line)
    page.say()
    page.say(f"{NOOPS} empty tasks and {NAPS} of 10 ms; 95 % intervals in brackets. With {packages()}.")
    return page.end()


if __name__ == "__main__":
    sys.exit(main())
