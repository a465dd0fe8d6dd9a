"""The cost of an audit record in the transaction of an upload.

``python -m benchmarks.audit`` stores uploads of three chunks in a database. It measures the time that
``AuditStore.append`` takes of each, by the CPU and by the clock, and each whole transaction. ``--database`` is a URL as
in DATABASE_URL; by default it is a new SQLite file. With ``--log`` each record is also appended to a file, as with
AUDIT_LOG_FILE. Then it verifies the chain.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.call_times import HEAD, Times, row, timed
from contracts.audit import MAX_PAGE, AuditChainPage
from csvpipe.audit.chain_check import ChainCheck
from uploader.disk.audit_log_file import AuditLogFile
from uploader.domain.cutting import ChunkType, CutChunk, CutOptions, CutResult
from uploader.domain.records import ChunkRecord, UploadRecord, new_upload
from uploader.store.claims import Claim
from uploader.store.store import Store, open_store

_CHUNKS = 3
_REPLICA = f"benchmark-{uuid.uuid4().hex[:8]}"


def upload_of(number: int, started: datetime) -> tuple[UploadRecord, list[ChunkRecord]]:
    """Return the records of an upload."""
    chunks = [
        CutChunk(
            chunk_id=chunk_id,
            filename=f"benchmark_chunk_{chunk_id:03d}_{number}.csv",
            size_bytes=52_428_800,
            sha256="0" * 64,
            row_start=chunk_id,
            row_end=chunk_id,
            byte_start=chunk_id * 52_428_800,
            byte_end=(chunk_id + 1) * 52_428_800,
        )
        for chunk_id in range(1, _CHUNKS + 1)
    ]
    result = CutResult(
        source_filename="benchmark.csv",
        source_bytes=_CHUNKS * 52_428_800,
        source_sha256="0" * 64,
        content_bytes=_CHUNKS * 52_428_800,
        content_sha256="0" * 64,
        encoding="utf-8",
        transcoded_from=None,
        delimiter=",",
        headers=["id", "name"],
        header_bytes=8,
        row_count=_CHUNKS,
        chunks=chunks,
    )
    return new_upload(
        upload_id=uuid.uuid4().hex,
        options=CutOptions(dataset_name="benchmark", chunk_type=ChunkType.SIZE, chunk_size=50),
        result=result,
        replica=_REPLICA,
        bucket="raw",
        idempotency_key=None,
        created_at=started + timedelta(microseconds=number),
        chunked_at=started,
    )


def store_uploads(store: Store, count: int) -> tuple[Times, Times]:
    """Store ``count`` uploads; return the durations of each append and of each transaction."""
    appends, transactions = Times(), Times()
    store.audit.append = timed(store.audit.append, appends)  # type: ignore[method-assign]  # the benchmark's probe
    create = timed(store.uploads.create, transactions)
    started = datetime.now(UTC)
    for number in range(count):
        upload, chunks = upload_of(number, started)
        create(upload, chunks, claim=Claim.new(upload.upload_id), claim_for=timedelta(seconds=20))
    return appends, transactions


def verify(store: Store) -> None:
    """Verify the chain, and print the rate."""

    def read_page(after: int | None) -> AuditChainPage:
        records, head = store.audit.read_chain(_REPLICA, after=after, limit=MAX_PAGE)
        return AuditChainPage(records=records, head=head)

    start = time.perf_counter()
    report = ChainCheck(_REPLICA).run(read_page, on_progress=lambda *_: None)
    assert report.fault_count == 0
    rate = report.records / (time.perf_counter() - start)
    print(f"| verification, records per second | {rate:,.0f} | | | |")


def main() -> None:
    """Run the benchmark and print its table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--uploads", type=int, default=2_000)
    parser.add_argument("--database", help="SQLAlchemy URL (default: a new SQLite file)")
    parser.add_argument("--directory", type=Path, help="directory of the files (default: a temporary one)")
    parser.add_argument("--log", action="store_true", help="also append each record to a file")
    args = parser.parse_args(sys.argv[1:])
    with tempfile.TemporaryDirectory(dir=args.directory, prefix="benchmark-audit-") as directory:
        writes = Times()
        log = AuditLogFile(Path(directory) / "audit.jsonl")
        on_record = timed(log.write, writes) if args.log else lambda _: None
        url = args.database or f"sqlite:///{directory}/manifest.sqlite3"
        store = open_store(url, replica=_REPLICA, on_record=on_record)
        try:
            appends, transactions = store_uploads(store, args.uploads)
            print(f"{args.uploads} uploads of {_CHUNKS} chunks\n")
            print(HEAD)
            print(row("audit record, of the transaction", appends))
            print(row("transaction of an upload", transactions))
            if writes.wall:
                print(row("line of AUDIT_LOG_FILE", writes))
            verify(store)
        finally:
            store.close()


if __name__ == "__main__":
    main()
