"""The command `orchestrator`, which is also `python -m orchestrator`."""

from __future__ import annotations

from typing import NoReturn

from worker.sealed_environment import restart_sealed


def main() -> NoReturn:
    """Run the command line in a sealed environment."""
    restart_sealed("orchestrator")
    # Celery and Python modules of the user's read variables and files when they are imported: not before this point.
    from orchestrator.cli import main as run_command_line  # noqa: PLC0415

    run_command_line()


if __name__ == "__main__":
    main()
