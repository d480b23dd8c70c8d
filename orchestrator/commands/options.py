"""The options that commands share, each defined once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer


def _stages(incomplete: str) -> list[str]:
    return _starting("stages", incomplete)


def _kernels(incomplete: str) -> list[str]:
    return _starting("kernels", incomplete)


def _strategies(incomplete: str) -> list[str]:
    return _starting("strategies", incomplete)


def _transports(incomplete: str) -> list[str]:
    return _starting("transports", incomplete)


def _profiles(incomplete: str) -> list[str]:
    return _starting("profiles", incomplete)


def _starting(what: str, incomplete: str) -> list[str]:
    # Imported here: completion alone needs the registries, and they load NumPy and Celery.
    from orchestrator.catalogue import names  # noqa: PLC0415

    return [name for name in names()[what] if name.startswith(incomplete)]


def _option(*names: str, help_: str, completion: Callable[[str], list[str]] | None = None) -> Any:
    return typer.Option(*names, help=help_, autocompletion=completion, show_default=False)


Profile = Annotated[
    str, _option("--profile", help_="Defaults that belong together: quick or notebook.", completion=_profiles)
]
Stages = Annotated[
    list[str] | None,
    _option(
        "--stage",
        help_="Only this stage (repeatable): download, decode, grayscale, pipeline.",
        completion=_stages,
    ),
]
Kernels = Annotated[
    list[str] | None,
    _option(
        "--kernel",
        help_="Only this kernel (repeatable); 'orchestrator list' names them.",
        completion=_kernels,
    ),
]
Strategies = Annotated[
    list[str] | None,
    _option(
        "--strategy",
        help_="Only this strategy (repeatable): serial, threads, processes, vectorized, celery.",
        completion=_strategies,
    ),
]
Transports = Annotated[
    list[str] | None,
    _option(
        "--transport",
        help_="How payloads reach Celery workers (repeatable): inline, redis, files.",
        completion=_transports,
    ),
]
Chunks = Annotated[list[int] | None, _option("--chunk", help_="Tasks in one Celery message (repeatable).")]
Placements = Annotated[
    list[str] | None, _option("--data", help_="Where Celery's data is (repeatable): local or resident.")
]
Images = Annotated[int | None, _option("--images", help_="Images in a batch.")]
Size = Annotated[str | None, _option("--size", help_="Size of the synthetic images, WIDTHxHEIGHT.")]
Source = Annotated[
    str, _option("--source", help_="Where images come from: origin, a directory, or a URL with {i} in it.")
]
LatencyMs = Annotated[float | None, _option("--latency-ms", help_="Latency of every request to the origin.")]
BandwidthMbit = Annotated[
    float | None, _option("--bandwidth-mbit", help_="Bandwidth of every connection to the origin.")
]
Slots = Annotated[int | None, _option("--slots", help_="Threads, processes and Celery slots to use.")]
Rounds = Annotated[int | None, _option("--rounds", help_="Rounds that count; each measures every cell once.")]
Warmup = Annotated[int | None, _option("--warmup", help_="Rounds before them that do not count.")]
Seed = Annotated[int, _option("--seed", help_="Of the images and of the order within rounds.")]
Margin = Annotated[
    float, _option("--margin", help_="Differences smaller than this share do not matter (0.05 is 5 %).")
]
Broker = Annotated[
    str | None, _option("--broker", help_="URL of a Redis whose workers to use, instead of embedded ones.")
]
Flower = Annotated[bool, _option("--flower", help_="Start Flower beside the embedded workers and say where.")]
Output = Annotated[str, _option("--output", help_="Folder for the result file.")]
Json = Annotated[
    str | None,
    _option(
        "--json", help_="Also write the result to this file; - puts it, and nothing else, on standard output."
    ),
]
