"""What is done to one image: a file a stage, each with its kernels.

`STAGES` is the registry: a new stage is one new file and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from worker.contract import Pixels
from worker.stages import decode, diagnostics, download, grayscale, pipeline

Kernel = Callable[[Any], Any]
Kind = Literal["url", "encoded", "pixels"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: what goes in, what comes out, and the implementations there are.

    `reference` defines the right output; where there is arithmetic it is none of `kernels`, so that a fault
    in one of them cannot hide. `batch_kernels` take the stacked batch, (N, H, W, 3), at once.
    """

    takes: Kind
    gives: Kind
    kernels: Mapping[str, Kernel]
    best: str
    reference: Kernel
    batch_kernels: Mapping[str, Callable[[Sequence[Pixels]], Sequence[Pixels]]]


STAGES: Mapping[str, Stage] = {
    "download": Stage("url", "encoded", download.KERNELS, "session", download.reference, {}),
    "decode": Stage("encoded", "pixels", decode.KERNELS, "asarray", decode.reference, {}),
    "grayscale": Stage(
        "pixels", "pixels", grayscale.KERNELS, "numpy", grayscale.reference, grayscale.BATCH_KERNELS
    ),
    "pipeline": Stage("url", "pixels", pipeline.KERNELS, "best", pipeline.reference, {}),
}

DIAGNOSTICS: Mapping[str, Mapping[str, Kernel]] = {"diagnostics": diagnostics.KERNELS}
"""Tasks that do no image work: they show what the way there and back costs. No part of a comparison."""


_KERNELS: Mapping[str, Mapping[str, Kernel]] = {
    **{name: stage.kernels for name, stage in STAGES.items()},
    **DIAGNOSTICS,
}
"""Stage and kernel to the function: looked up between two kernels, when every step is a slow one."""


class UnknownKernelError(LookupError):
    """A stage or kernel that this release does not have; the message says which there are."""


def kernel_of(stage: str, kernel: str) -> Kernel:
    """The function that implements `kernel` of `stage`.

    Raises:
        UnknownKernelError: there is no such stage or kernel.
    """
    try:
        return _KERNELS[stage][kernel]
    except KeyError:
        raise UnknownKernelError(_unknown(stage, kernel)) from None


def _unknown(stage: str, kernel: str) -> str:
    if stage not in _KERNELS:
        return f"there is no stage {stage!r:.80}; there are {', '.join(STAGES)}"
    return f"{stage} has no kernel {kernel!r:.80}; it has {', '.join(_KERNELS[stage])}"
