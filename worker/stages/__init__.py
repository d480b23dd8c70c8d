"""What is done to one input: a file a stage, each with its kernels.

`STAGES` is the registry: a new stage is one new file and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from worker.contract import Pixels
from worker.stages import decode, diagnostics, download, function, grayscale, pipeline, spin
from worker.values import encode

Kernel: TypeAlias = Callable[[Any], Any]
BatchKernel: TypeAlias = Callable[[Sequence[Pixels]], Sequence[Pixels]]
Kind: TypeAlias = Literal["url", "encoded", "pixels", "gray", "value", "length", "result"]


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage: what goes in, what comes out, and its implementations."""

    takes: Kind
    gives: Kind
    kernels: Mapping[str, Kernel]
    best: str | None  # the fastest kernel; `None` where the user names one
    reference: (
        Kernel  # defines the right output; where there is arithmetic, none of `kernels`, to show their faults
    )
    batch_kernels: Mapping[str, BatchKernel] = field(default_factory=dict)  # take a whole batch at once
    in_default_run: bool = True
    slow: tuple[str, ...] = ()  # kernels that take a second or so for a photograph
    end_to_end: bool = False  # all that a user's task would do, so a comparison has more rows for it

    @property
    def fetches_urls(self) -> bool:
        """Whether its tasks download, so that the latency of their server matters."""
        return self.takes == "url"

    @property
    def of_user(self) -> bool:
        """Whether its kernels are the user's functions, and its payloads Python values."""
        return self.takes == "value"


STAGES: Final[Mapping[str, Stage]] = {
    "download": Stage("url", "encoded", download.KERNELS, "session", download.reference),
    "decode": Stage("encoded", "pixels", decode.KERNELS, "asarray", decode.reference, slow=("getdata",)),
    "grayscale": Stage(
        "pixels",
        "gray",
        grayscale.KERNELS,
        "numpy",
        grayscale.reference,
        grayscale.BATCH_KERNELS,
        slow=("loop",),
    ),
    "pipeline": Stage("url", "gray", pipeline.KERNELS, "best", pipeline.reference, end_to_end=True),
    "function": Stage("value", "value", function.KERNELS, None, function.reference, in_default_run=False),
    "spin": Stage("length", "result", spin.KERNELS, "held", spin.reference, in_default_run=False),
}

DEFAULT_STAGES: Final = tuple(name for name, stage in STAGES.items() if stage.in_default_run)

# Tasks that do no image work and show what messaging costs; they are not part of a comparison.
DIAGNOSTICS: Final[Mapping[str, Mapping[str, Kernel]]] = {"diagnostics": diagnostics.KERNELS}

_KERNELS: Final[Mapping[str, Mapping[str, Kernel]]] = {
    **{name: stage.kernels for name, stage in STAGES.items()},
    **DIAGNOSTICS,
}


class UnknownKernelError(LookupError):
    """A stage or kernel that this release does not have; the message names those it has."""


def kernel_of(stage: str, kernel: str) -> Kernel:
    """Return the function that implements `kernel` of `stage`, or raise `UnknownKernelError`."""
    if stage not in _KERNELS:
        raise UnknownKernelError(f"there is no stage {stage!r:.80}; there are {', '.join(STAGES)}")
    if kernel not in _KERNELS[stage]:
        raise UnknownKernelError(f"{stage} has no kernel {kernel!r:.80}; it has {', '.join(_KERNELS[stage])}")
    return _KERNELS[stage][kernel]


def as_payload(stage: str, value: Any) -> Any:
    """Return what a transport stores of a stage's input or output, or raise `UncrossableError` if it cannot cross."""
    known = STAGES.get(stage)
    return encode(value) if known is not None and known.of_user else value


def stage_giving(kind: Kind) -> str:
    """Return the first stage that makes a kind of payload from another kind."""
    return next(name for name, stage in STAGES.items() if stage.gives == kind != stage.takes)
