"""The manifest file beside the chunk files of an upload, from which the database can be rebuilt.

It is written once, before the upload is committed, and contains what never changes. Later changes of the chunks' states
are in the database only, except that a cleaned chunk leaves an empty marker file.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from contracts.faults import describe_invalid
from uploader.domain.records import ChunkRecord, UploadRecord

MANIFEST_FILE = ".manifest.json"
CLEANED_SUFFIX = ".cleaned"


class ManifestFileError(Exception):
    """A manifest file cannot be read; the text gives its path and the reason."""


@dataclass(frozen=True, kw_only=True)
class StoredManifest:
    """An upload and its chunks as they were when it was accepted."""

    version: Literal[1] = 1
    upload: UploadRecord
    chunks: list[ChunkRecord]


def dump_manifest(upload: UploadRecord, chunks: list[ChunkRecord]) -> bytes:
    """Return the content of the manifest file for an upload that is about to be committed."""
    return _adapter().dump_json(StoredManifest(upload=upload, chunks=chunks))


def write_manifest(directory: Path, content: bytes) -> None:
    """Write the manifest file and make it durable (blocks). The caller syncs the directory."""
    fd = os.open(directory / MANIFEST_FILE, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def read_manifest(directory: Path) -> StoredManifest | None:
    """Return the upload that was accepted into ``directory``, or None if it has no manifest.

    Raises:
        ManifestFileError: the file is damaged, or belongs to another upload.
    """
    path = directory / MANIFEST_FILE
    try:
        found = _adapter().validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ManifestFileError(f"{path} cannot be read: {error.strerror}") from error
    except ValidationError as error:
        raise ManifestFileError(f"{path} is damaged: {describe_invalid(error, whole='the file')}") from error
    if found.upload.upload_id != directory.name or len(found.chunks) != found.upload.total_chunks:
        raise ManifestFileError(f"{path} is not the manifest of upload {directory.name}")
    return found


@cache
def _adapter() -> TypeAdapter[StoredManifest]:
    return TypeAdapter(StoredManifest)
