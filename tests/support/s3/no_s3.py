"""Options of sources that need no S3."""

from __future__ import annotations

from typing import NoReturn

from sequencer.source.s3_object import S3Options


def _connect() -> NoReturn:
    raise AssertionError("this source needs no S3")


NO_S3 = S3Options(connect=_connect, retries=0)
