"""The formats of compressed files that are unpacked while they arrive."""

from __future__ import annotations

from typing import Literal

Compression = Literal["gzip", "zstd"]
"""As :mod:`csvscan` has it, which imports nothing of ours."""
