"""`run`: the comparison."""

from orchestrator.commands.signature import measuring_command

run = measuring_command("run", "Compare every stage, kernel and strategy, and say where Celery helps.")
