"""One side of a gate: an ordinary run of the user's function in one checkout, which takes turns with the other side.

`python -m orchestrator.measurement.gate_side` reads its options as a line of JSON, and writes a line of JSON for each
thing that happens. It asks for its turn before each sample and before it closes, and waits for the answer; it ends when
the gate does.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from orchestrator import results, signals
from orchestrator.errors import INTERRUPTED, BreakevenError
from orchestrator.measurement import session
from orchestrator.model.runs import Cell, Plan, Run
from orchestrator.planning.option_checks import check, of_function
from orchestrator.planning.options import RUN, Options

GO: Final = "go"  # the gate's answer to a side that asks for its turn


class Turns:
    """Asks the gate for a turn before each sample, and passes on what else happens."""

    def planned(self, plan: Plan) -> None:
        """Pass on how many inputs a batch has and how they travel, which must be the same on the other side."""
        transports = dict.fromkeys(cell.transport for cell in plan.cells if cell.transport is not None)
        tell(images=plan.images, transports=list(transports))

    def step(self, what: str) -> None:
        """Pass on what the side does now."""
        tell(step=what)

    def note(self, message: str) -> None:
        """Pass on a message."""
        tell(note=message)

    def sample(self, done: int, total: int, cell: Cell) -> None:
        """Wait for the side's turn."""
        self.wait(turn=done, total=total)

    def wait(self, **what: Any) -> None:
        """Ask for a turn, and wait until it comes."""
        tell(**what)
        if sys.stdin.readline().strip() != GO:
            raise KeyboardInterrupt  # the gate ended, or its process did


def main() -> int:
    """Measure, write the result file, and return the exit code."""
    signals.install()
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    images, transports, output = given.pop("images"), given.pop("transports"), Path(given.pop("result"))
    options = Options(command=RUN, **{**given, "strategies": tuple(given["strategies"])})
    measured: list[Run] = []  # the last is all that was measured so far
    turns = Turns()
    try:
        source = check(options)
        options = replace(of_function(options), images=images, transports=tuple(transports), chunks=(1,))
        with session.measured(options, source, turns, measured.append):
            turns.wait(turn=None)
    except BreakevenError as error:
        tell(error=str(error), code=error.exit_code)
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        if measured and measured[-1].begun:
            results.write(measured[-1], output)
    return 0


def tell(**what: Any) -> None:
    """Write a line to the gate."""
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
