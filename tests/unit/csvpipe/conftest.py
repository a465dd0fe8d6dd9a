from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from csvpipe.cli import main


@pytest.fixture(autouse=True)
def config_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the tests directories of their own for configuration and state, and no setting of the person at work."""
    for name in [name for name in os.environ if name.startswith("CSVPIPE_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "config home"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state home"))
    return home


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., int]:
    """Run a command line in an empty directory, with no settings but those given here."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("csvpipe.local_stack.client_values", dict)
    for name in ("CSVPIPE_URL", "S3_ENDPOINT", "S3_BUCKET", "API_PORT", "KAFKA_BROKER", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str) -> int:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        return int(caught.value.code or 0)

    return run
