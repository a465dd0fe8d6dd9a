"""The cost of the limits of a key in each upload.

``python -m benchmarks.admissions`` admits uploads of one key and releases their slots, one after the other, as requests
do, and then lets the limit of uploads a minute refuse as many. It measures each call, which is one transaction, by the
CPU of the uploader and by the clock. ``--database`` is a URL as in DATABASE_URL; by default it is a new SQLite file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import uuid
from pathlib import Path

from benchmarks.call_times import HEAD, Times, row, timed
from uploader.access.upload_limits import UploadLimits
from uploader.store.admissions import AdmissionStore, Limit
from uploader.store.store import open_store

_PLENTY = UploadLimits(per_minute=1_000_000, at_once=4)
_ONE = UploadLimits(per_minute=1, at_once=4)


def admit_and_release(admissions: AdmissionStore, count: int) -> tuple[Times, Times]:
    """Admit ``count`` uploads one after the other; return the durations of admissions and of releases."""
    admitted, released = Times(), Times()
    admit, release = timed(admissions.admit, admitted), timed(admissions.release, released)
    key_id = uuid.uuid4().hex
    for _ in range(count):
        slot_id = uuid.uuid4().hex
        assert admit(key_id, slot_id=slot_id, limits=_PLENTY).refused_by is None
        release(key_id, slot_id=slot_id, limits=_PLENTY)
    return admitted, released


def refuse(admissions: AdmissionStore, count: int) -> Times:
    """Let the limit of a key refuse ``count`` uploads; return the durations."""
    refused = Times()
    admit = timed(admissions.admit, refused)
    key_id = uuid.uuid4().hex
    admissions.admit(key_id, slot_id=uuid.uuid4().hex, limits=_ONE)
    for _ in range(count):
        admission = admit(key_id, slot_id=uuid.uuid4().hex, limits=_ONE)
        if admission.refused_by is not Limit.RATE:  # a minute has passed: the unit is back
            refused.wall.pop()
            refused.cpu.pop()
    return refused


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=2_000)
    parser.add_argument("--database", help="SQLAlchemy URL (default: a new SQLite file)")
    parser.add_argument("--directory", type=Path, help="directory of the file (default: a temporary one)")
    args = parser.parse_args(sys.argv[1:])
    with tempfile.TemporaryDirectory(dir=args.directory, prefix="benchmark-admissions-") as directory:
        store = open_store(args.database or f"sqlite:///{directory}/manifest.sqlite3")
        try:
            admitted, released = admit_and_release(store.admissions, args.uploads)
            refused = refuse(store.admissions, args.uploads)
        finally:
            store.close()
    print(f"{args.uploads} uploads of one key\n\n{HEAD}")
    print(row("admission", admitted))
    print(row("release", released))
    print(row("refusal", refused))


if __name__ == "__main__":
    main()
