"""What the workers of pytest-xdist share, and what each has for itself."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.workers import group_of

REPOSITORY = Path(__file__).parents[2]


def test_files_are_distributed_one_by_one() -> None:
    assert group_of("tests/unit/test_workers.py") == "tests/unit/test_workers.py"


def test_airflow_is_imported_by_one_worker() -> None:
    assert {group_of(f"tests/dags/{name}.py") for name in ("test_parsing", "test_retries")} == {"airflow"}


def test_nifi_of_the_session_is_started_by_one_worker() -> None:
    integration = REPOSITORY / "tests" / "integration"
    using_nifi = [path for path in integration.rglob("test_*.py") if re.search(r"\bnifi: NiFiServer", path.read_text())]
    assert len(using_nifi) > 3
    assert {group_of(str(path.relative_to(REPOSITORY))) for path in using_nifi} == {"nifi"}
