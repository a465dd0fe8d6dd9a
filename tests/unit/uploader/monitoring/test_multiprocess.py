"""The directory of shared counters and its slots; whole workers are in tests/integration/test_uploader_metrics.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from uploader.monitoring.multiprocess import DIRECTORY_VARIABLE, shared_counters

COUNT = """
import sys
from prometheus_client import Counter
from uploader.monitoring.multiprocess import join_shared_counters
print(join_shared_counters())
Counter("tests", "What this test counts").inc(int(sys.argv[1]))
sys.stdout.flush()
sys.stdin.read()
"""
READ = """
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
registry = CollectorRegistry()
MultiProcessCollector(registry)
print(generate_latest(registry).decode())
"""


def worker(number: int) -> subprocess.Popen[str]:
    """Start a process that counts ``number`` and waits until its input ends; return it when it has counted."""
    process = subprocess.Popen(
        [sys.executable, "-c", COUNT, str(number)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == os.environ.get(DIRECTORY_VARIABLE, "None")
    return process


def total() -> str:
    done = subprocess.run([sys.executable, "-c", READ], capture_output=True, text=True, check=True)
    return next(line for line in done.stdout.splitlines() if line.startswith("tests_total "))


def test_successor_continues_the_counters_of_a_dead_process(tmp_path: Path) -> None:
    with shared_counters(tmp_path) as directory:
        assert directory is not None
        first, second = worker(1), worker(10)
        first.kill()
        first.communicate()
        third = worker(100)
        assert total() == "tests_total 111.0"
        assert sorted(path.name for path in directory.glob("counter_*")) == ["counter_0.db", "counter_1.db"]
        second.communicate()
        third.communicate()
    assert list(tmp_path.iterdir()) == []
    assert DIRECTORY_VARIABLE not in os.environ


def test_blocks_of_files_are_allocated_before_mapping(tmp_path: Path) -> None:
    with shared_counters(tmp_path) as directory:
        assert directory is not None
        worker(1).communicate()
        for kind in ("counter", "histogram"):
            assert (directory / f"{kind}_0.db").stat().st_blocks * 512 >= 1024 * 1024


def test_files_of_a_killed_server_are_removed_and_running_ones_stay(tmp_path: Path) -> None:
    left, making = tmp_path / "csvpipe-metrics-left", tmp_path / "csvpipe-metrics-making"
    for directory in (left, making):
        directory.mkdir()
    (left / "in-use.lock").touch()
    with shared_counters(tmp_path) as running, shared_counters(tmp_path) as second:
        assert set(tmp_path.iterdir()) == {running, second, making}


def test_worker_whose_server_is_gone_keeps_its_directory(tmp_path: Path) -> None:
    with shared_counters(tmp_path) as directory:
        assert directory is not None
        orphan = worker(5)
        (tmp_path / "kept").mkdir()
        for path in directory.iterdir():
            os.link(path, tmp_path / "kept" / path.name)
    # The server has removed its own; as after a kill, put it back: the lock is the worker's alone now.
    (tmp_path / "kept").rename(directory)
    with shared_counters(tmp_path):
        assert directory.exists()
        orphan.communicate()
    with shared_counters(tmp_path):
        assert not directory.exists()


def test_without_space_each_worker_counts_on_its_own(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with shared_counters(tmp_path / "missing") as directory:
        assert directory is None
        worker(1).communicate()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
