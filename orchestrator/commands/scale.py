"""`scale`: the same work on more and more slots."""

from orchestrator.commands.signature import measuring_command

scale = measuring_command(
    "scale", "Measure the same work on more and more slots: the curve, what bounds it, and the COST."
)
