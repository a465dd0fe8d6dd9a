"""The running uploader conforms to its OpenAPI document, over hundreds of valid and invalid calls."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx

from tests.support.uploader.server import RunningUploader, running_uploader

_HOOKS = "tests.support.uploader.schemathesis_hooks"
_CONFIGURATION = Path(__file__).parents[1] / "support" / "uploader" / "schemathesis.toml"
_MAX_CHUNKS = 50
_LEAST_CASES = 700


def test_every_response_is_as_documented(tmp_path: Path) -> None:
    chunks = tmp_path / "chunks"
    chunks.mkdir()
    with running_uploader(chunks, max_chunks=_MAX_CHUNKS, max_file_size_mb=50) as uploader:
        done = _run_schemathesis(uploader, tmp_path)
    assert done.returncode == 0, done.stdout[-20_000:]
    [cases] = re.findall(r"(\d+) generated", done.stdout)
    assert int(cases) >= _LEAST_CASES, done.stdout[-5_000:]


def _run_schemathesis(uploader: RunningUploader, directory: Path) -> subprocess.CompletedProcess[str]:
    command: list[str | Path] = [
        *(Path(sys.executable).parent / "schemathesis", "--config-file", _CONFIGURATION, "run"),
        *(
            f"{uploader.base_url}/openapi.json",
            "--checks",
            "all",
            "--max-examples",
            "50",
            "--seed",
            "20261128",
            "--no-color",
        ),
    ]
    environment = {**os.environ, "SCHEMATHESIS_HOOKS": _HOOKS, "CSVPIPE_TEST_CURSOR": _cursor_of(uploader)}
    environment["CSVPIPE_TEST_MAX_CHUNKS"] = str(_MAX_CHUNKS)
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    return subprocess.run(
        command, cwd=directory, env=environment, capture_output=True, text=True, check=False, timeout=600
    )


def _cursor_of(uploader: RunningUploader) -> str:
    """Return a cursor that a page of two uploads gives."""
    with httpx.Client(base_url=uploader.base_url, trust_env=False) as client:
        for number in (1, 2):
            answer = client.post(
                "/upload/csv", data={"dataset_name": "cursor"}, files={"file": ("rows.csv", f"id\n{number}\n".encode())}
            )
            assert answer.status_code == 202, answer.text
        return str(client.get("/uploads", params={"limit": 1}).json()["next_cursor"])
