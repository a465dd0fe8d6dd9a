from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def config_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Give the tests a configuration directory of their own, and no setting of the person who runs them."""
    for name in [name for name in os.environ if name.startswith("CSVPIPE_")]:
        monkeypatch.delenv(name)
    home = tmp_path / "config home"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    return home
