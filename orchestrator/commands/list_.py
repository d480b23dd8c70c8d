"""`list`: what there is to choose from."""

from __future__ import annotations

import typer


def list_() -> None:
    """List stages, kernels, strategies, transports and profiles."""
    # Imported here: the registries load Celery and NumPy, which --help can do without.
    from orchestrator.options import PROFILES  # noqa: PLC0415
    from orchestrator.strategies import STRATEGIES  # noqa: PLC0415
    from worker.payloads import TRANSPORTS  # noqa: PLC0415
    from worker.stages import STAGES  # noqa: PLC0415

    lines = ["stages and their kernels"]
    for name, stage in STAGES.items():
        lines.append(f"  {name:<12}{', '.join(stage.kernels)}")
    lines += ["strategies"]
    for name, kind in STRATEGIES.items():
        lines.append(f"  {name:<12}{kind.summary}")
    lines += ["transports"]
    for name, transport in TRANSPORTS.items():
        lines.append(f"  {name:<12}{transport.summary}")
    lines += ["profiles"]
    for name, profile in PROFILES.items():
        lines.append(f"  {name:<12}{profile.description}")
    typer.echo("\n".join(lines))
