"""`origin`: serve the benchmark's images over HTTP."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.signature import option
from orchestrator.errors import UnavailableError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

IMAGES = 20
SIZE = "800x800"
SEED = 1


def origin(
    host: Annotated[str, option("--host", "Address to listen on.", "ADDRESS")] = "127.0.0.1",
    port: Annotated[int, option("--port", "Port to listen on; 0 is any free one.", "N")] = 8000,
    images: Annotated[
        int | None, option("--images", "Images to serve.", "N", default=f"{IMAGES}, or all of --directory")
    ] = None,
    size: Annotated[
        str | None, option("--size", "Their size, WIDTHxHEIGHT.", "WIDTHxHEIGHT", default=SIZE)
    ] = None,
    seed: Annotated[int | None, option("--seed", "What they are made from.", "N", default=str(SEED))] = None,
    latency_ms: Annotated[
        float | None, option("--latency-ms", "Latency of every request.", "MS", default="0")
    ] = None,
    bandwidth_mbit: Annotated[
        float | None,
        option("--bandwidth-mbit", "Bandwidth of every connection.", "MBIT", default="no limit"),
    ] = None,
    directory: Annotated[
        str | None, option("--directory", "Serve this folder's files instead.", "FOLDER", default=False)
    ] = None,
    on_demand: Annotated[
        bool, option("--on-demand", "Serve whatever image, size, latency and bandwidth a URL asks for.")
    ] = False,
) -> int:
    """Serve the benchmark's images over HTTP. With a set latency and bandwidth, until Ctrl-C."""
    # Imported here: they load tornado and NumPy, which --help can do without.
    from orchestrator.inputs.image_server import ImageServer, serve  # noqa: PLC0415
    from orchestrator.inputs.source import path_of  # noqa: PLC0415
    from orchestrator.planning.option_checks import parse_size  # noqa: PLC0415

    folder = path_of(directory) if directory else None
    made = {"--size": size, "--seed": seed}
    if on_demand:
        paces = {"--latency-ms": latency_ms, "--bandwidth-mbit": bandwidth_mbit}
        _refuse({"--images": images, **made, **paces}, "--on-demand, where every URL has its own")
        _check_folder(folder)
        server = ImageServer(on_demand=True, directory=folder, host=host, port=port)
        serve(server, lambda url: typer.echo(_on_demand(url, folder)))
        return 0
    if folder is not None:
        _refuse(made, "--directory, whose files are served as they are")
    width, height = parse_size(size or SIZE)
    server = ImageServer(
        images=IMAGES if images is None and folder is None else images,
        width=width,
        height=height,
        seed=SEED if seed is None else seed,
        latency_ms=latency_ms or 0.0,
        bandwidth_mbit=bandwidth_mbit,
        directory=folder,
        host=host,
        port=port,
    )
    paths = tuple(server.set)
    if not paths:
        raise UnavailableError(f"--directory {folder} holds no pictures; put some directly into it")
    if sys.stderr.isatty():
        typer.echo(f"{'making' if folder is None else 'reading'} {len(paths)} images ...", err=True)
    serve(server, lambda url: typer.echo(_offered(url, paths, folder)))
    return 0


def _refuse(options: Mapping[str, object], why: str) -> None:
    for flag, value in options.items():
        if value is not None:
            raise UsageError(f"{flag} {value} has no effect with {why}; leave one of the two out")


def _check_folder(folder: Path | None) -> None:
    """Refuse a folder that is missing; one that is served on demand may still be empty."""
    if folder is not None and not folder.is_dir():
        raise UnavailableError(f"--directory {folder} is no folder; name a folder of pictures")


def _offered(url: str, paths: tuple[str, ...], folder: Path | None) -> str:
    from orchestrator.phrases.numbers import count  # noqa: PLC0415 - as above

    noun = "image" if folder is None else "file"
    of = "" if folder is None else f" of {folder}"
    what = f"serving {count(len(paths), noun)}{of} at {url}{paths[0]}"
    return f"{what}{f' to {paths[-1]}' if paths[1:] else ''}; Ctrl-C ends it"


def _on_demand(url: str, folder: Path | None) -> str:
    files = "" if folder is None else f", and the files of {folder} at {url}/files/NAME"
    return f"serving images on demand at {url}/synthetic/SEED/WIDTHxHEIGHT/N.jpg{files}; Ctrl-C ends it"
