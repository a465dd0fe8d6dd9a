"""Opens the files of a source in order."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from aws.errors import translating_client_errors
from contracts.errors import SettingsError, SourceNotFoundError
from sequencer.source.leftovers import Leftovers
from sequencer.source.local_file import LocalFile
from sequencer.source.s3_object import S3_SETTINGS, S3Options, find_objects
from sequencer.source.source_file import SourceFile
from sequencer.source.spec import adding_hint, check_spec

_log = logging.getLogger(__name__)
_MAX_NAME_CHARACTERS = 500
_MAX_EMPTY_BYTES = 1024
"""A compressed file without content has only its frames and, with gzip, its name."""


def open_sources(specs: Sequence[str], *, s3: S3Options) -> list[SourceFile]:
    """Return the files of ``specs``.

    Args:
        specs: ``s3://bucket/key``; ``s3://bucket/prefix/`` for all objects below it, sorted by key; a local file; a
            local directory for its files, sorted by name. Files that other tools leave in a prefix or directory are
            skipped (:mod:`sequencer.source.leftovers`).
        s3: how objects are read.

    Raises:
        JobUsageError: a specification is not valid.
        SourceNotFoundError: a file does not exist.
        NotAllowedError: S3 refuses the credentials, or there are none.
        SettingsError: a name is not UTF-8, the name of a bucket is not valid, or AWS's configuration is wrong.
        StoreResponseError: an object has no ETag.
        TemporaryFailureError: S3 does not answer.
    """
    files: list[SourceFile] = []
    for spec in specs:
        _check_name(spec)
        check_spec(spec)
        with adding_hint(spec):
            files += _s3_objects(spec, s3) if spec.startswith("s3://") else _local_files(spec)
    for file in files:
        _check_name(file.name)
    _warn_of_duplicates(files)
    return files


def _s3_objects(spec: str, options: S3Options) -> Sequence[SourceFile]:
    bucket, _, key = spec.removeprefix("s3://").partition("/")
    with translating_client_errors("S3", S3_SETTINGS):
        client = options.connect()
    leftovers = Leftovers(spec)
    found = find_objects(client, bucket=bucket, key=key, options=options, leftovers=leftovers)
    if key and not key.endswith("/"):
        return found
    return _with_content(found, f"s3://{bucket}/{key}", leftovers, "objects")


def _local_files(spec: str) -> Sequence[SourceFile]:
    path = Path(spec)
    try:
        if path.is_dir():
            leftovers = Leftovers(spec)
            listed = sorted(each for each in path.iterdir() if each.is_file())
            found = [LocalFile(str(each)) for each in listed if leftovers.admits(each.name, each.stat().st_size)]
            return _with_content(found, f"{path}{os.sep}", leftovers, "files")
        if path.exists() and not path.is_file():
            raise SourceNotFoundError(
                f"{spec} is a pipe or a device, which cannot be read a second time; write its content to a file"
            )
    except (OSError, ValueError) as error:  # the name may be too long, or a directory not accessible
        reason = error.strerror if isinstance(error, OSError) else error
        raise SourceNotFoundError(f"{_shortened(spec)}: {reason}") from error
    return [LocalFile(spec)]


def _check_name(name: str) -> None:
    """Check that ``name`` can be in the records.

    Raises:
        SettingsError: it cannot.
    """
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise SettingsError(
            f"SOURCE: the name {os.fsencode(name)!r} is not UTF-8, but every record contains it: rename the file"
        ) from error


def _shortened(name: str) -> str:
    return name if len(name) <= _MAX_NAME_CHARACTERS else f"{name[:_MAX_NAME_CHARACTERS]}..."


def _with_content(found: Sequence[SourceFile], base: str, leftovers: Leftovers, what: str) -> list[SourceFile]:
    """Return the files that have content after decompression; Spark compresses empty parts, too."""
    filled = [each for each in found if leftovers.is_filled(each.name.removeprefix(base), filled=_has_content(each))]
    if not filled:
        raise SourceNotFoundError(f"{base}: {leftovers.nothing_left(what)}")
    leftovers.log()
    return filled


def _has_content(file: SourceFile) -> bool:
    if file.size_bytes > _MAX_EMPTY_BYTES or not file.compressed:
        return file.size_bytes > 0
    with file.open() as pieces:
        return any(pieces)


def _warn_of_duplicates(files: Sequence[SourceFile]) -> None:
    """Warn if a file is given more than once, by whatever path."""
    seen: dict[object, str] = {}
    for file in files:
        if file.place in seen:
            _log.warning(
                "Same file given twice; its rows are sent more than once",
                extra={"path": file.name, "same_as": seen[file.place]},
            )
        seen.setdefault(file.place, file.name)
