"""A cleaner on a disk with a fake amount of free space, and a fake bucket."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.uploader.cleaning import FakeDisk, FakeObjectChecker
from tests.support.uploader.uploads import REPLICA, SettableClock
from uploader.store.store import Store
from uploader.uploads.cleaner import Cleaner


@pytest.fixture
def objects() -> FakeObjectChecker:
    return FakeObjectChecker()


@pytest.fixture
def disk(temp_dir: Path) -> FakeDisk:
    return FakeDisk(temp_dir)


@pytest.fixture
def cleaner(store: Store, disk: FakeDisk, clock: SettableClock, objects: FakeObjectChecker) -> Cleaner:
    return Cleaner(
        store=store,
        files=disk,
        replica=REPLICA,
        after=timedelta(hours=24),
        low_disk_bytes=1_000,
        clock=clock,
        objects=objects,
    )
