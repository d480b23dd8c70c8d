"""`origin`: serves the benchmark's images over HTTP."""

from __future__ import annotations

from typing import Annotated

import typer


def origin(
    host: Annotated[
        str, typer.Option("--host", metavar="ADDRESS", help="Address to listen on.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", metavar="N", help="Port to listen on; 0 is any free one.")
    ] = 8000,
    images: Annotated[int, typer.Option("--images", metavar="N", help="Images to serve.")] = 20,
    size: Annotated[
        str, typer.Option("--size", metavar="WIDTHxHEIGHT", help="Their size, WIDTHxHEIGHT.")
    ] = "800x800",
    seed: Annotated[int, typer.Option("--seed", metavar="N", help="What they are made from.")] = 1,
    latency_ms: Annotated[
        float, typer.Option("--latency-ms", metavar="MS", help="Latency of every request.")
    ] = 0.0,
    bandwidth_mbit: Annotated[
        float | None,
        typer.Option(
            "--bandwidth-mbit", metavar="MBIT", help="Bandwidth of every connection.", show_default=False
        ),
    ] = None,
    directory: Annotated[
        str | None,
        typer.Option(
            "--directory", metavar="FOLDER", help="Serve this folder's files instead.", show_default=False
        ),
    ] = None,
    on_demand: Annotated[
        bool,
        typer.Option("--on-demand", help="Serve whatever image, size, latency and bandwidth a URL asks for."),
    ] = False,
) -> int:
    """Serve the benchmark's images over HTTP with a set latency and bandwidth, until Ctrl-C."""
    # Imported here: they load tornado and NumPy, which --help can do without.
    from pathlib import Path  # noqa: PLC0415

    from orchestrator.inputs.on_demand import serve_on_demand  # noqa: PLC0415
    from orchestrator.inputs.origin import Origin, serve  # noqa: PLC0415
    from orchestrator.planning import parse_size  # noqa: PLC0415

    folder = Path(directory) if directory else None
    if on_demand:
        serve_on_demand(host, port, folder, lambda url: typer.echo(f"serving images on demand at {url}"))
        return 0
    width, height = parse_size(size)
    serve(
        Origin(
            images=images,
            width=width,
            height=height,
            seed=seed,
            latency_ms=latency_ms,
            bandwidth_mbit=bandwidth_mbit,
            directory=folder,
            host=host,
            port=port,
        ),
        lambda url: typer.echo(f"serving {images} images at {url}/images/0.jpg and on; Ctrl-C ends it"),
    )
    return 0
