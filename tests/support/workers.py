"""Which tests pytest-xdist keeps in one worker."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling

_TOGETHER = {
    "tests/dags/": "airflow",
    "tests/integration/test_airflow_chunk_run": "nifi",
    "tests/integration/test_nifi_": "nifi",
    "tests/integration/test_other_s3_flow": "nifi",
}
"""Groups of files that share what is slow to start, by the beginning of their path."""


def group_of(path: str) -> str:
    """Return the group of a file of tests, by default its own path."""
    return next((group for start, group in _TOGETHER.items() if path.startswith(start)), path)


class FilesTogether(LoadFileScheduling):
    """Gives a worker one file after the other, or one group of them."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(super()._split_scope(nodeid))
