"""The timeout of HTTP requests of tests, which is to end a test that hangs, and nothing else."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

PATIENCE_S = 60.0
"""Timeout of requests that name none. The default of httpx is 5 s: a process of a busy machine stands still longer."""


@contextmanager
def patient_requests() -> Iterator[None]:
    """Replace the default timeout of httpx: that of its functions and of clients that are made in the block."""
    default = inspect.signature(httpx.Client).parameters["timeout"].default
    assert isinstance(default, httpx.Timeout)
    before = default.as_dict()
    vars(default).update(dict.fromkeys(before, PATIENCE_S))
    try:
        yield
    finally:
        vars(default).update(before)
