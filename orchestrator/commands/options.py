"""The options that commands share, each defined once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Annotated, Any

import typer

from orchestrator.commands import completion
from worker.redaction import redact

if TYPE_CHECKING:
    from orchestrator.planning.options import Options


EMBEDDED = "embedded"
"""A broker and workers of our own, whatever broker is set."""


def _broker(given: str | None) -> str | None:
    """The broker that was named, or that is among Docker's secrets; `None` for an embedded one."""
    # Imported here: --help has no use for pydantic.
    from orchestrator.errors import UsageError  # noqa: PLC0415
    from worker.settings import SettingsError, read_settings  # noqa: PLC0415

    if given is not None:
        return None if given == EMBEDDED else given
    try:
        settings = read_settings()
    except SettingsError as error:
        raise UsageError(str(error)) from None
    return settings.broker_url if "broker_url" in settings.model_fields_set else None


def _slots(given: str) -> int:
    """One number of slots; whoever gives several is told of the command that takes them."""
    # Imported here: --help has no use for it.
    from orchestrator.errors import UsageError  # noqa: PLC0415

    number = given.strip()
    if number.isascii() and number.removeprefix("-").isdigit():
        return int(number[:9])
    several = f"; for several: scale --slots {given}" if "," in given else ""
    raise UsageError(f"--slots {given!r} is not one whole number{several}")


def _option(
    *names: str,
    help_: str,
    metavar: str | None = None,
    completed: Callable[[str], list[str]] | None = None,
    parser: Callable[[str], Any] | None = None,
    default: str | bool = True,
) -> Any:
    """An option; `default` says in words what no constant does."""
    return typer.Option(
        *names, help=help_, metavar=metavar, autocompletion=completed, parser=parser, show_default=default
    )


PROFILES_OWN = "the profile's"


Profile = Annotated[
    str,
    _option(
        "--profile",
        metavar="NAME",
        help_="Defaults that belong together: quick or notebook; 'orchestrator list' gives their values.",
        completed=completion.profiles,
    ),
]
Stages = Annotated[
    list[str] | None,
    _option(
        "--stage",
        metavar="NAME",
        help_="Only this stage (repeatable); 'orchestrator list' names them.",
        completed=completion.stages,
    ),
]
Kernels = Annotated[
    list[str] | None,
    _option(
        "--kernel",
        metavar="NAME",
        help_="Only this kernel (repeatable); 'orchestrator list' names them.",
        completed=completion.kernels,
    ),
]
Strategies = Annotated[
    list[str] | None,
    _option(
        "--strategy",
        metavar="NAME",
        help_="Only this strategy (repeatable); 'orchestrator list' names them.",
        completed=completion.strategies,
    ),
]
Transports = Annotated[
    list[str] | None,
    _option(
        "--transport",
        metavar="NAME",
        default=PROFILES_OWN,
        help_="How payloads reach Celery workers (repeatable); 'orchestrator list' names them.",
        completed=completion.transports,
    ),
]
Chunks = Annotated[
    list[int] | None,
    _option("--chunk", metavar="N", default=PROFILES_OWN, help_="Tasks in one Celery message (repeatable)."),
]
Placements = Annotated[
    list[str] | None,
    _option(
        "--data",
        metavar="local|resident",
        default=PROFILES_OWN,
        help_="Where Celery's data is: local or resident (repeatable).",
    ),
]
Events = Annotated[
    list[str] | None,
    _option(
        "--events",
        metavar="on|off",
        help_="Whether Celery's workers send task events: on or off (repeatable).",
    ),
]
Images = Annotated[
    int | None, _option("--images", metavar="N", default=PROFILES_OWN, help_="Images in a batch.")
]
Size = Annotated[
    str | None,
    _option(
        "--size",
        metavar="WIDTHxHEIGHT",
        default=PROFILES_OWN,
        help_="Size of the synthetic images, WIDTHxHEIGHT.",
    ),
]
Source = Annotated[
    str,
    _option(
        "--source",
        metavar="SOURCE",
        help_="Where images come from: origin, a directory, or a URL with {i} in it.",
    ),
]
LatencyMs = Annotated[
    float | None,
    _option(
        "--latency-ms", metavar="MS", default=PROFILES_OWN, help_="Latency of every request to the origin."
    ),
]
BandwidthMbit = Annotated[
    float | None,
    _option(
        "--bandwidth-mbit",
        metavar="MBIT",
        default=PROFILES_OWN,
        help_="Bandwidth of every connection to the origin.",
    ),
]
Slots = Annotated[
    int | None,
    _option(
        "--slots",
        metavar="N",
        help_="Threads, processes and Celery slots to use.",
        parser=_slots,
        default="the fleet's of --broker, else the profile's",
    ),
]
Rounds = Annotated[
    str | None,
    _option(
        "--rounds",
        metavar="N|auto",
        default=PROFILES_OWN,
        help_="Rounds that count, each with every cell once; auto goes on until it is sure.",
    ),
]
Target = Annotated[
    float | None,
    _option(
        "--target",
        metavar="SHARE",
        default="0.05",
        help_="With --rounds auto: stop when intervals are this narrow (0.05 is 5 %).",
    ),
]
Budget = Annotated[
    float | None,
    _option(
        "--budget",
        metavar="SECONDS",
        default="300",
        help_="With --rounds auto: begin no round after so many seconds.",
    ),
]
Warmup = Annotated[
    int | None,
    _option("--warmup", metavar="N", default=PROFILES_OWN, help_="Rounds before them that do not count."),
]
Seed = Annotated[int, _option("--seed", metavar="N", help_="Of the images and of the order within rounds.")]
Margin = Annotated[
    float,
    _option(
        "--margin", metavar="SHARE", help_="Differences smaller than this share do not matter (0.05 is 5 %)."
    ),
]
Broker = Annotated[
    str | None,
    typer.Option(
        "--broker",
        metavar="URL",
        envvar="BREAKEVEN_BROKER_URL",
        help=f"URL of a Redis whose workers to use, instead of embedded ones; '{EMBEDDED}' if one is set.",
        show_default=False,
        callback=_broker,
    ),
]
Flower = Annotated[
    bool,
    _option(
        "--flower", default=False, help_="Start Flower beside the embedded workers, and say where it is."
    ),
]
Output = Annotated[
    str, _option("--output", metavar="FOLDER", help_="Folder for the result file and its report.")
]
Json = Annotated[
    str | None,
    _option(
        "--json",
        metavar="FILE",
        help_="Write the result to this file too; - is standard output, which then has it instead of the table. The "
        "files in --output are written all the same.",
    ),
]

# What the user's words are called in Options, where that differs.
FIELDS = {
    "stage": "stages",
    "kernel": "kernels",
    "strategy": "strategies",
    "transport": "transports",
    "chunk": "chunks",
    "budget": "budget_s",
}


def options_of(given: Mapping[str, Any]) -> Options:
    """The options among a command's parameters; lists become tuples, what is not an option is left out."""
    # Imported here: --help has no use for it.
    from orchestrator.planning.options import Options  # noqa: PLC0415

    names = {field.name for field in fields(Options)}
    values: dict[str, Any] = {"arguments": tuple(map(redact, sys.argv[1:]))}
    for parameter, value in given.items():
        name = FIELDS.get(parameter, parameter)
        if name in names:
            values[name] = tuple(value or ()) if name in TUPLES else value
    return Options(**values)


TUPLES = frozenset({"stages", "kernels", "strategies", "transports", "chunks", "data", "events"})
