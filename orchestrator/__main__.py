"""Runs the command line with `python -m orchestrator`."""

from orchestrator.cli import main

main()
