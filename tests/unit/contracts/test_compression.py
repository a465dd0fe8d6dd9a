"""The formats of compressed files."""

from __future__ import annotations

from typing import get_args

import csvscan
from contracts.compression import Compression


def test_contracts_and_scanner_have_the_same_formats() -> None:
    assert get_args(Compression) == get_args(csvscan.Compression)
