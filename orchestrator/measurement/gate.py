"""A gate: two versions of a project, each measured by a process of its own, one sample at a time in turn.

Both sides are ordinary runs with the same inputs, rounds and order of rows. So the two samples of a row follow each
other at once, in random order, and what slows the machine for longer than that slows both.
"""

from __future__ import annotations

import json
import os
import queue
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from orchestrator import signals
from orchestrator.errors import BreakevenError, UnavailableError, UsageError
from orchestrator.measurement.gate_side import GO
from orchestrator.measurement.rounds import Watcher
from worker.sealed_environment import FUNCTION_PATH

SIDES: Final = ("base", "head")
SILENCE_S: Final = 300.0  # seconds without a word from a side, after which it is taken for hung
CLOSE_S: Final = 30.0  # seconds that a side may take to close its fleet and write its result
TICK_S: Final = 0.2  # seconds between two looks at a lost Ctrl-C


@dataclass(frozen=True, slots=True)
class GateOptions:
    """What a gate measures: `options` are those of `run`, the same for both sides."""

    folders: Mapping[str, Path]
    options: Mapping[str, Any]
    seed: int = 1


def take_turns(gate: GateOptions, files: Mapping[str, Path], watcher: Watcher) -> None:
    """Measure both sides, and have each write its result file, incomplete after an error.

    Raises:
        UsageError: a side refuses its options, or the sides do not have the same rows.
        UnavailableError: a side cannot start, or does not go on.
    """
    order = random.Random(gate.seed)  # noqa: S311 - a reproducible order, not a secret
    with ExitStack() as stack:
        images: int | None = None
        transports: list[
            str
        ] = []  # base's sizes choose: where head's are others, that is what is to be judged
        sides: list[Side] = []
        for name in SIDES:
            given = {**gate.options, "images": images, "transports": transports, "result": str(files[name])}
            side = stack.enter_context(Side(name, gate.folders[name], given, watcher))
            side.next_turn()
            images, transports = side.images, side.transports
            sides.append(side)
        base, head = sides
        if base.total != head.total or base.images != head.images:
            raise UsageError(
                f"base has {base.total} samples of {base.images} inputs, and head {head.total} of {head.images}; "
                "give both the same --inputs"
            )
        while not all(side.done for side in sides):
            for side in order.sample(sides, len(sides)):
                if not side.done:
                    side.go()
                    side.next_turn()
        for side in sides:
            side.go()


class Side:
    """The process of one side."""

    def __init__(self, name: str, folder: Path, given: Mapping[str, Any], watcher: Watcher) -> None:
        self.name = name
        self.images: int | None = None
        self.transports: list[str] = []
        self.total: int | None = None
        self.done = False
        self._ended = False
        self._given = given
        self._watcher = watcher
        self._folder = folder
        self._process: subprocess.Popen[str] | None = None
        self._said: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "orchestrator.measurement.gate_side"],
            cwd=self._folder,
            env={**os.environ, FUNCTION_PATH: _moved(os.environ.get(FUNCTION_PATH, ""), self._folder)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C reaches the gate alone, which then ends both sides
        )
        assert self._process.stdout is not None  # noqa: S101 - a pipe
        threading.Thread(target=_read, args=(self._process.stdout, self._said), daemon=True).start()
        self._write(json.dumps(self._given))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        process = self._process
        assert process is not None  # noqa: S101 - it was entered
        if kind is not None and not self._ended:
            with suppress(ProcessLookupError):
                process.send_signal(signal.SIGINT)
        with suppress(OSError):
            process.stdin.close()  # type: ignore[union-attr]  # a pipe
        try:
            process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            process.kill()  # its supervisor ends what it started
            process.wait()

    def go(self) -> None:
        """Let the side take its next sample."""
        self._write(GO)

    def next_turn(self) -> None:
        """Wait until the side asks for its turn.

        Raises:
            BreakevenError: the error that ended it.
            UnavailableError: it ended without one, or does not go on.
        """
        waited_s = 0.0
        while True:
            signals.check()
            try:
                said = self._said.get(timeout=TICK_S)
            except queue.Empty:
                waited_s += TICK_S
                if waited_s >= SILENCE_S:
                    raise UnavailableError(
                        f"{self.name} ({self._folder}) said nothing for {SILENCE_S:.0f} s; measure it alone with "
                        "'orchestrator run --function' in its folder"
                    ) from None
                continue
            waited_s = 0.0
            self._ended = said is None or "error" in said
            if said is None:
                raise UnavailableError(
                    f"the process that measures {self.name} ({self._folder}) ended by itself"
                )
            if "error" in said:
                kinds = {kind.exit_code: kind for kind in (UsageError, UnavailableError)}
                raise kinds.get(said["code"], BreakevenError)(
                    f"{self.name} ({self._folder}): {said['error']}"
                )
            if "turn" in said:
                self._turn(said)
                return
            self._pass_on(said)

    def _turn(self, said: Mapping[str, Any]) -> None:
        self.done = said["turn"] is None
        if not self.done:
            self.total = said["total"]
            done, total = said["turn"], said["total"]
            self._watcher.step(f"{self.name}: {done} of {total} samples")

    def _pass_on(self, said: Mapping[str, Any]) -> None:
        if "images" in said:
            self.images, self.transports = said["images"], said["transports"]
        elif "note" in said:
            self._watcher.note(f"{self.name}: {said['note']}")
        else:
            self._watcher.step(f"{self.name}: {said['step']}")

    def _write(self, line: str) -> None:
        assert self._process is not None and self._process.stdin is not None  # noqa: S101, PT018 - entered
        with suppress(BrokenPipeError):  # it ended, which `next_turn` tells
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()


def _read(stream: IO[str], said: queue.Queue[dict[str, Any] | None]) -> None:
    for line in stream:
        said.put(json.loads(line))
    said.put(None)


def _moved(path: str, folder: Path) -> str:
    """The folders of the user's modules, with those within the current folder within the side's instead."""
    here = Path.cwd()
    entries = [Path(entry) for entry in path.split(os.pathsep) if entry]
    moved = [folder / entry.relative_to(here) if entry.is_relative_to(here) else entry for entry in entries]
    return os.pathsep.join(dict.fromkeys(map(str, (folder, *moved))))
