"""A cleaner on a disk with a fake amount of free space, a fake bucket, and the acceptance of uploads."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.support.uploader.acceptance import AcceptanceBench, running_acceptance
from tests.support.uploader.cleaning import FakeDisk, FakeObjectChecker
from tests.support.uploader.uploads import REPLICA, SettableClock
from uploader.store.store import Store
from uploader.uploads.cleaner import Cleaner
from uploader.uploads.outbox import Outbox


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


@pytest.fixture
def bench(store: Store, outbox: Outbox, clock: SettableClock, temp_dir: Path) -> Iterator[AcceptanceBench]:
    with running_acceptance(store=store, outbox=outbox, clock=clock, temp_dir=temp_dir) as bench:
        yield bench
