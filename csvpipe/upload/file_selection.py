"""Which files a command sends: the given ones, and those in the given directories."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from contracts.errors import SourceNotFoundError
from csvpipe.upload.source import STDIN

_CSV = re.compile(r"[^.].*\.(csv|tsv)(\.(gz|gzip|zst|zstd))?", re.IGNORECASE | re.DOTALL)
"""Names of files that are sent from a directory. Hidden files are not."""


def select_files(given: Iterable[Path], *, recursive: bool) -> list[Path]:
    """Return what to send, in order and without repetition; files in directories are sorted by name.

    A given file is returned whatever its name is, and also if it does not exist: that is a fault of this file alone.

    Args:
        given: files, directories, and ``-`` for standard input.
        recursive: also use the directories in directories, except for hidden ones and links.

    Raises:
        SourceNotFoundError: a directory has no CSV file, or cannot be read.
    """
    found: dict[str, Path] = {}
    for path in given:
        for file in _files_of(path, recursive=recursive):
            found.setdefault(os.path.realpath(file) if file != STDIN else "", file)
    return list(found.values())


def _files_of(path: Path, *, recursive: bool) -> list[Path]:
    if path == STDIN or not path.is_dir():
        return [path]
    try:
        files = sorted(_csv_files(path, recursive=recursive))
    except OSError as error:
        raise SourceNotFoundError(f"{error.filename or path} cannot be read: {error.strerror}") from error
    if not files:
        hint = "" if recursive else "; --recursive also looks into its directories"
        raise SourceNotFoundError(f"{path} has no file *.csv or *.tsv, plain or with .gz or .zst{hint}")
    return files


def _csv_files(directory: Path, *, recursive: bool) -> Iterator[Path]:
    for entry in directory.iterdir():
        if entry.is_dir():
            if recursive and not entry.name.startswith(".") and not entry.is_symlink():
                yield from _csv_files(entry, recursive=True)
        elif _CSV.fullmatch(entry.name):
            yield entry
