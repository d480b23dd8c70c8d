"""How do task queues compare? The same tasks through Celery, dramatiq, RQ, huey and taskiq.

    python benchmarks/peers/engines.py [--quick] [--update-docs]

One embedded broker, two worker processes that do one task at a time, started as the documentation of each
engine does (`engines/` has an app for each; the table shows the settings). In each of 7 rounds every engine is
started, used and ended, in a fresh order, so that no other engine's workers run.

- Start-up: from starting the workers to the first result.
- No-op: 300 tasks sent one by one, then every result awaited. A task only writes its number down.
- METG(50 %): a slot's time for a task (wall x slots / tasks) of which half is the task's own work. 150 tasks compute
for as many seconds of processor time as a no-op took of a slot. A line through both gives the length with an
efficiency of one half, and METG is twice that length. 150 tasks of this length check it: the table shows their share.
- A second table sends tasks without results (`VARIANTS`), because others who measured dramatiq did. A thousand tasks
are sent before the workers start, and timed from the first that runs to the last; then a thousand more to the workers
that wait. What tasks write down tells when they ran. Six rounds.

Every task must have run exactly once, by what the tasks wrote down, and returned its own number; otherwise the
script ends. Takes seven minutes, with --quick one.
"""

from __future__ import annotations

import importlib
import multiprocessing
import random
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
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
from benchmarks.shared.rows import interval, packages, progress
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


@dataclass(frozen=True)
class Variant:
    """An app that sends tasks without results, and how its workers differ from `COMMANDS`."""

    app: str
    arguments: tuple[str, ...] = ()
    workers: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)


CELERY, DRAMATIQ = "with_celery", "with_dramatiq_plain"
VARIANTS = {
    "Celery, prefork pool of 2": Variant(CELERY),
    "Celery, fetching 50 tasks ahead for a process": Variant(CELERY, ("--prefetch-multiplier", "50")),
    "Celery, 2 workers of pool solo": Variant(CELERY, ("--pool", "solo"), workers=2),
    "Celery, threads pool of 2": Variant(CELERY, ("--pool", "threads")),
    "Celery, threads pool of 10, INFO log": Variant(
        CELERY, ("--pool", "threads", "--concurrency", "10", "--loglevel", "INFO")
    ),
    "dramatiq, 2 processes of 1 thread": Variant(DRAMATIQ),
    "dramatiq, the same, fetching 100 tasks ahead": Variant(
        DRAMATIQ, environment={"dramatiq_queue_prefetch": "100"}
    ),
    "dramatiq, 2 processes of 8 threads": Variant(DRAMATIQ, ("--threads", "8")),
    "dramatiq, 1 process of 10 threads": Variant(DRAMATIQ, ("--processes", "1", "--threads", "10")),
}


@dataclass(frozen=True)
class Sizes:
    """Rounds of both tables, and tasks in a batch."""

    rounds: int = 7
    variant_rounds: int = 6
    noops: int = 300
    spins: int = 150
    flood: int = 1000


QUICK = Sizes(1, 1, 50, 20, 100)
SLOTS, WARM_UP = 2, 20
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

    def seconds(self, what: str, count: int, *more: float) -> float:
        """Do `noops`, `spins` or `sends` and return the seconds; every task must give its own number."""
        self._connection.send((what, count, more))
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
        what, count, more = connection.recv()
        results: list[int] = []
        does = partial(getattr(app, what), count, *more)
        seconds = stopwatch(lambda does=does, kept=results: kept.extend(does()))
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

    def start(self, commands: Sequence[Sequence[str]], prefix: str, **more: str) -> list[str]:
        """Start workers, with more variables in their environment; return their names."""
        names = []
        for index, (program, *arguments) in enumerate(commands):
            names.append(f"{prefix}-{index}")
            path = str(Path(sys.executable).with_name(program))
            self.processes.start(names[-1], [path, *arguments], {**self.environment, **more})
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

    def seconds(self, client: Client, what: str, count: int, *more: float) -> float:
        """Time one batch, every task of which must have run exactly once."""
        self.marks.write_bytes(b"")
        seconds = client.seconds(what, count, *more)
        self.check(count)
        return seconds

    def check(self, count: int) -> None:
        """End the script unless every task ran exactly once."""
        ran = Counter(map(int, self.marks.read_text(encoding="ascii").split()))
        if ran != Counter(range(count)):
            raise RuntimeError(f"of {count} tasks some ran never or twice: {ran - Counter(range(count))}")

    def wait_for(self, size: int) -> float:
        """Wait until the tasks have written so many bytes; return when that was."""
        deadline = time.perf_counter() + FIRST_S
        while self.marks.stat().st_size < size:
            if time.perf_counter() > deadline:
                raise RuntimeError(f"the tasks did not write {size} bytes within {FIRST_S:.0f} s")
            time.sleep(0.0005)
        return time.perf_counter()


Samples = dict[str, dict[str, dict[int, float]]]  # by what was measured, engine and round


def measured(bench: Bench, clients: Mapping[str, Client], sizes: Sizes) -> Samples:
    """Start, use and end every engine once per round."""
    found: Samples = {
        what: {engine: {} for engine in ENGINES} for what in ("start-up", "noops", "metg", "efficiency")
    }
    for round_, engine in shuffled("engines", ENGINES, sizes.rounds):
        client = clients[ENGINES[engine]]
        began = time.perf_counter()
        names = bench.start(client.commands, f"{ENGINES[engine]}-{round_}")
        bench.seconds(client, "noops", 1)
        found["start-up"][engine][round_] = time.perf_counter() - began
        bench.seconds(client, "noops", WARM_UP)
        noop_s = bench.seconds(client, "noops", sizes.noops) / sizes.noops
        found["noops"][engine][round_] = noop_s
        metg_s, efficiency = granularity(bench, client, noop_s, sizes.spins)
        found["metg"][engine][round_], found["efficiency"][engine][round_] = metg_s, efficiency
        bench.stop(names)
    return found


def granularity(bench: Bench, client: Client, noop_s: float, spins: int) -> tuple[float, float]:
    """Return METG(50 %) in seconds, and the efficiency with tasks of half of it."""
    empty_s = SLOTS * noop_s
    more = (SLOTS * bench.seconds(client, "spins", spins, empty_s) / spins - empty_s) / empty_s
    # Half of a slot's time, empty_s + more x length, is the length. At most four times the overhead: `more` is 2 where
    # other processes take half of the processors.
    length_s = empty_s / max(2 - more, 0.25)
    slot_s = SLOTS * bench.seconds(client, "spins", spins, length_s) / spins
    return 2 * length_s, length_s / slot_s


def flooded(bench: Bench, clients: Mapping[str, Client], sizes: Sizes) -> Samples:
    """Send tasks without results, before and after the workers of each variant start."""
    found: Samples = {
        what: {variant: {} for variant in VARIANTS} for what in ("sending", "draining", "waiting")
    }
    size = sum(len(f"{number}\n") for number in range(sizes.flood))
    for round_, name in shuffled("without results", VARIANTS, sizes.variant_rounds):
        variant, index = VARIANTS[name], [*VARIANTS].index(name)
        client = clients[variant.app]
        bench.marks.write_bytes(b"")
        found["sending"][name][round_] = client.seconds("sends", sizes.flood) / sizes.flood
        commands = [
            [*command, *variant.arguments] for command in client.commands for _ in range(variant.workers)
        ]
        names = bench.start(commands, f"variant-{index}-{round_}", **variant.environment)
        began = bench.wait_for(1)
        found["draining"][name][round_] = (bench.wait_for(size) - began) / sizes.flood
        bench.check(sizes.flood)
        bench.marks.write_bytes(b"")
        began = time.perf_counter()
        client.seconds("sends", sizes.flood)
        found["waiting"][name][round_] = (bench.wait_for(size) - began) / sizes.flood
        bench.check(sizes.flood)
        bench.stop(names)
    return found


def shuffled(what: str, names: Iterable[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Yield every round with every name, in a fresh order each round."""
    order = random.Random(1)  # noqa: S311 - an order that can be had again, not a secret
    known = list(names)
    for round_ in range(rounds):
        progress(f"{what}, round {round_ + 1} of {rounds}")
        yield from ((round_, name) for name in order.sample(known, len(known)))


def table(found: Samples, settings: Mapping[str, str]) -> list[str]:
    """Return the engines as Markdown, the fastest with empty tasks first."""
    lines = [
        "| engine | no-op, ms a task | of Celery's | METG(50 %), ms | efficiency with tasks of half of it "
        "| start-up, s | settings |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for engine in sorted(ENGINES, key=lambda engine: _typical(found["noops"][engine]).point):
        cells = (
            engine,
            _with_interval(_typical(found["noops"][engine]).scaled(1000)),
            _versus(found["noops"], engine, "Celery"),
            _with_interval(_typical(found["metg"][engine]).scaled(1000)),
            f"{_typical(found['efficiency'][engine]).point:.0%}",
            _with_interval(_typical(found["start-up"][engine])),
            settings[engine],
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def variants_table(found: Samples) -> list[str]:
    """Return the variants without results as Markdown, in their own order."""
    lines = [
        "| without results | sending, ms a task | to waiting workers, until all ran | of Celery's "
        "| from a full queue | of Celery's |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    first = next(iter(VARIANTS))
    for name in VARIANTS:
        cells = [name, _with_interval(_typical(found["sending"][name]).scaled(1000))]
        for what in ("waiting", "draining"):
            cells += [
                _with_interval(_typical(found[what][name]).scaled(1000)),
                _versus(found[what], name, first),
            ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _typical(samples: Mapping[int, float]) -> Estimate:
    found = estimate([*samples.values()])
    assert found is not None, "no rounds"
    return found


def _versus(samples: Mapping[str, Mapping[int, float]], name: str, base: str) -> str:
    found = ratio(samples[name], samples[base])
    assert found is not None, "no round has both"
    return "1" if name == base else _with_interval(found)


def _with_interval(figure: Estimate) -> str:
    return f"{number(figure.point)} ({interval(figure)})"


def main() -> int:
    """Print the table."""
    options = parser(__doc__).parse_args()
    page = Page(__file__, options)
    sizes = QUICK if options.quick else Sizes()
    with ExitStack() as stack:
        processes = stack.enter_context(ChildProcesses())
        url = start_broker(processes).replace("redis+socket://", "unix://", 1)
        bench = Bench(processes, url, processes.folder / "marks")
        apps = dict.fromkeys((*ENGINES.values(), *(variant.app for variant in VARIANTS.values())))
        with mock.patch.dict("os.environ", bench.environment):
            clients = {app: stack.enter_context(Client(app)) for app in apps}
        settings = {engine: clients[app].settings for engine, app in ENGINES.items()}
        lines = table(measured(bench, clients, sizes), settings)
        variants = flooded(bench, clients, sizes)
    says = f"{sizes.noops} empty tasks and {sizes.spins} that compute; 95 % intervals in brackets. With {packages()}."
    more = f"{sizes.flood:,} empty tasks without results, in milliseconds a task; 95 % intervals in brackets."
    for line in (*lines, "", says, "", *variants_table(variants), "", more):
        page.say(line)
    return page.end()


if __name__ == "__main__":
    sys.exit(main())
