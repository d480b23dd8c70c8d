"""Payloads as bare bytes and back, with no pickle: the shape travels in the reference, the bytes as they lie.

A reference is one of

    {"url": "http://..."}                         a URL, whole
    {..., "size": 190123, "shape": null}          an encoded picture
    {..., "size": 1920000, "shape": [800, 800, 3]}   pixels, uint8, C order

An array of other numbers than uint8 is nobody's input, but must fail on a worker as it would here: it travels
with its `dtype`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from worker.contract import Payload
from worker.payloads.transport import PayloadMissingError, Reference, check_layout

PLAIN = "biufc"
"""Kinds of numbers that travel: NumPy's own, and no objects."""


def as_bytes(payload: Payload) -> bytes | memoryview:
    """The payload's memory, not copied unless an array is not contiguous.

    Raises:
        TypeError: an array of Python objects: those do not travel.
    """
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, bytes):
        return payload
    if payload.dtype.kind not in PLAIN:
        raise TypeError(f"an array of {payload.dtype} cannot be a payload; only plain numbers travel")
    return np.ascontiguousarray(payload).reshape(-1).view(np.uint8).data


def describe(payload: bytes | np.ndarray) -> Reference:
    """The part of a reference that `from_bytes` needs."""
    if isinstance(payload, bytes):
        return {"size": len(payload), "shape": None}
    described: Reference = {"size": payload.nbytes, "shape": list(payload.shape)}
    return described if payload.dtype == np.uint8 else {**described, "dtype": payload.dtype.str}


def from_bytes(raw: bytes | memoryview, reference: Reference) -> Payload:
    """The payload in `raw`; an array is a view of it, not a copy.

    Raises:
        PayloadMissingError: `raw` is not as long as the reference says, so it is not that payload; or the
            reference says nothing that can be.
    """
    try:
        check_layout(reference)
        size, shape = reference["size"], reference["shape"]
        dtype = np.dtype(reference.get("dtype", "|u1"))
    except (ValueError, TypeError, KeyError) as error:
        raise PayloadMissingError(f"a reference to no payload: {error}") from None
    if len(raw) != size:
        raise PayloadMissingError(f"payload of {len(raw)} bytes where {size} were stored")
    if shape is None:
        return bytes(raw)
    if math.prod(shape) * dtype.itemsize != size:
        raise PayloadMissingError(f"payload of {size} bytes that is no {dtype} array of shape {shape}")
    try:
        values: Any = np.frombuffer(raw, dtype=dtype).reshape(shape)
    except ValueError as error:  # no bytes, and sides that nothing multiplied by them makes small
        raise PayloadMissingError(
            f"payload of {size} bytes that is no array of shape {shape}: {error}"
        ) from None
    payload: Payload = values
    return payload
