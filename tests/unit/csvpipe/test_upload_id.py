from __future__ import annotations

from pathlib import Path

import pytest

from csvpipe.cli import main


@pytest.mark.parametrize("text", ["orders", "a" * 31, "A" * 32, "a" * 33, "../x", "d/_manifests/a.json"])
def test_what_is_no_upload_id_is_wrong_usage(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["verify", text])
    assert ended.value.code == 2
    assert "is not an upload id; an id has 32 hex digits" in capsys.readouterr().err


def test_file_instead_of_an_id_is_reported(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(b"a\n")
    with pytest.raises(SystemExit):
        main(["verify", str(path)])
    assert "is a file; an id has 32 hex digits" in capsys.readouterr().err
