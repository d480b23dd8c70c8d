"""The kinds of value in a result file, each with a generous range.

Pydantic enforces the ranges when a file is read, so that no analysis overflows or divides by zero."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field

from worker.redaction import redact

Seconds = Annotated[float, Field(strict=True, ge=0, le=1e9)]
PositiveSeconds = Annotated[float, Field(strict=True, ge=1e-9, le=1e9)]
SignedSeconds = Annotated[float, Field(strict=True, ge=-1e12, le=1e12)]  # a difference, or from two clocks
Microseconds = Annotated[int, Field(strict=True, ge=-(10**15), le=10**15)]  # since a moment of the run
Milliseconds = Annotated[float, Field(strict=True, ge=0, le=1e9)]
Count = Annotated[int, Field(strict=True, ge=0, le=10**12)]
PositiveCount = Annotated[int, Field(strict=True, ge=1, le=10**9)]
Slots = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Processors = Annotated[float, Field(strict=True, ge=0.001, le=1e6)]
Pixels = Annotated[int, Field(strict=True, ge=1, le=65_536)]
Number = Annotated[int, Field(strict=True, ge=0, le=2**63 - 1)]  # of a task, or a seed
Round = Annotated[int, Field(strict=True, ge=-(10**6), le=10**6)]  # below 0: a disturbed warm-up
Bytes = Annotated[int, Field(strict=True, ge=0, le=2**63)]
Rate = Annotated[float, Field(strict=True, ge=1e-9, le=1e18)]  # per second
LoadShare = Annotated[float, Field(strict=True, ge=-1000, le=1000)]  # of the processors' time
Efficiency = Annotated[float, Field(strict=True, ge=0.01, le=0.99)]
Share = Annotated[float, Field(strict=True, ge=0, le=1)]
Margin = Annotated[float, Field(strict=True, ge=1e-6, le=100)]
Megahertz = Annotated[float, Field(strict=True, ge=0, le=1e9)]
Megabits = Annotated[float, Field(strict=True, ge=1e-9, le=1e12)]  # per second

Text = Annotated[str, Field(strict=True, max_length=20_000), AfterValidator(redact)]
Picture = Annotated[
    str, Field(strict=True, max_length=4_000_000, pattern=r"^[A-Za-z0-9+/]*={0,2}$")
]  # base64
