"""Texts in Python."""

from __future__ import annotations

from uploader.reading.statements.upload_source import UploadSource


def urls(source: UploadSource, *, scheme: str = "s3") -> str:
    """Return a list of all objects, none of them by a wildcard: one that is missing is an error."""
    if source.objects == 1:
        return repr([source.url("001", scheme=scheme)])
    return f"[f{source.url('{number:03d}', scheme=scheme)!r} for number in range(1, {source.objects + 1})]"
