"""`breakeven`: the size of the work from which Celery is faster."""

from orchestrator.commands.signature import measuring_command

breakeven = measuring_command(
    "breakeven", "Sweep the work of a task and find where Celery starts to pay, with an interval."
)
