"""What a shell offers for a name that is half written."""

from __future__ import annotations


def stages(incomplete: str) -> list[str]:
    """The stages that start so."""
    return _starting("stages", incomplete)


def kernels(incomplete: str) -> list[str]:
    """The kernels that start so."""
    return _starting("kernels", incomplete)


def strategies(incomplete: str) -> list[str]:
    """The strategies that start so."""
    return _starting("strategies", incomplete)


def transports(incomplete: str) -> list[str]:
    """The transports that start so."""
    return _starting("transports", incomplete)


def profiles(incomplete: str) -> list[str]:
    """The profiles that start so."""
    return _starting("profiles", incomplete)


def _starting(what: str, incomplete: str) -> list[str]:
    # Imported here: completion alone needs the registries, and they load NumPy and Celery.
    from orchestrator.planning.choices import names  # noqa: PLC0415

    return [name for name in names()[what] if name.startswith(incomplete)]
