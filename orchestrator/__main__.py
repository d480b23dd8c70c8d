"""The command `orchestrator`, which is also `python -m orchestrator`."""

from __future__ import annotations

import sys
from typing import Final, NoReturn

from worker.sealed_environment import imports_ours_only, restart_sealed

HELP: Final = ("-h", "--help", "--version")


def main() -> NoReturn:
    """Run the command line in a sealed environment, which help does not need."""
    asks_for_help = len(sys.argv) <= 3 and sys.argv[-1] in HELP
    if not (asks_for_help and imports_ours_only()):
        restart_sealed("orchestrator")
    # Celery and Python modules of the user's read variables and files when they are imported: not before this point.
    from orchestrator.cli import main as run_command_line  # noqa: PLC0415

    run_command_line()


if __name__ == "__main__":
    main()
