"""`python -m worker`: a Celery worker with Breakeven's defaults, in a sealed environment."""

from __future__ import annotations

from worker.sealed_environment import restart_sealed


def main() -> None:
    """Serve until SIGTERM, whatever variables other projects' workers have here."""
    restart_sealed("worker")
    # Celery reads variables when it is imported: not before this point.
    from worker.command import main as serve  # noqa: PLC0415

    serve()


if __name__ == "__main__":
    main()
