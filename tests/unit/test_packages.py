from __future__ import annotations

import tomllib

from csvpipe.extras import OWN_PACKAGES
from tests.support.docs.shell_blocks import ROOT

TOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
FOLDERS = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}


def test_lists_of_packages_are_those_of_the_tree() -> None:
    assert FOLDERS == OWN_PACKAGES
    assert set(TOOLS["importlinter"]["root_packages"]) == FOLDERS
    assert set(TOOLS["mypy"]["packages"]) == FOLDERS | {"tests", "benchmarks"}
    assert set(TOOLS["hatch"]["build"]["targets"]["wheel"]["packages"]) == FOLDERS - {"dags"}
