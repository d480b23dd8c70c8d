"""Payloads as bare bytes and back, with no pickle: the shape travels in the reference, the bytes as they lie.

A reference is one of

    {"url": "http://..."}                         a URL, whole
    {..., "size": 190123, "shape": null}          an encoded picture
    {..., "size": 1920000, "shape": [800, 800, 3]}   pixels, uint8, C order
"""

from __future__ import annotations

import math

import numpy as np

from worker.contract import Payload
from worker.payloads.transport import PayloadMissingError, Reference


def as_bytes(payload: Payload) -> bytes | memoryview:
    """The payload's memory, not copied unless an array is not contiguous.

    Raises:
        TypeError: an array is not uint8: nothing else is ever a payload.
    """
    if isinstance(payload, str):
        return payload.encode()
    if isinstance(payload, bytes):
        return payload
    if payload.dtype != np.uint8:
        raise TypeError(f"a payload of {payload.dtype} pixels; only uint8 travels")
    return np.ascontiguousarray(payload).reshape(-1).data


def describe(payload: bytes | np.ndarray) -> Reference:
    """The part of a reference that `from_bytes` needs."""
    if isinstance(payload, bytes):
        return {"size": len(payload), "shape": None}
    return {"size": payload.size, "shape": list(payload.shape)}


def from_bytes(raw: bytes | memoryview, reference: Reference) -> Payload:
    """The payload in `raw`; pixels are a view of it, not a copy.

    Raises:
        PayloadMissingError: `raw` is not as long as the reference says, so it is not that payload.
    """
    size, shape = reference["size"], reference["shape"]
    if len(raw) != size or (shape is not None and math.prod(shape) != size):
        raise PayloadMissingError(f"payload of {len(raw)} bytes where {size} were stored")
    if shape is None:
        return bytes(raw)
    return np.frombuffer(raw, dtype=np.uint8).reshape(shape)
