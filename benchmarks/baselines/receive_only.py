"""The uploader's receiving half by itself: cut, hashed, fsynced and renamed, but no database and no Kafka."""

from __future__ import annotations

import os
import shutil
import uuid
from datetime import UTC, datetime
from pathlib import Path

from fastapi import FastAPI, Request

from uploader.disk.staging_directory import open_staging
from uploader.http.direct_body import take_direct_body
from uploader.http.request_body import StreamedBody
from uploader.ingest.size_limits import SizeLimit
from uploader.ingest.upload_head import read_upload_head
from uploader.ingest.upload_receiver import receive_upload
from uploader.settings import Settings

app = FastAPI()


@app.post("/upload/csv", status_code=202)
async def receive(request: Request) -> dict[str, object]:
    """Receive, and throw the result away."""
    settings = Settings(temp_dir=Path(os.environ["BENCH_DIR"]) / "chunks")
    upload_id = uuid.uuid4().hex
    settings.temp_dir.mkdir(parents=True, exist_ok=True)
    head = read_upload_head(
        headers=request.headers,
        query=request.query_params.multi_items(),
        settings=settings,
        size_limit=SizeLimit(max_mb=settings.max_file_size_mb),
    )
    async with open_staging(settings.temp_dir, upload_id) as directory:
        body = take_direct_body(request.scope) or StreamedBody(request.stream())
        _, result = await receive_upload(
            body=body,
            head=head,
            settings=settings,
            directory=directory.path,
            upload_id=upload_id,
            created_at=datetime.now(UTC),
        )
        await directory.commit(b"{}")
    return {"total_chunks": len(result.chunks), "row_count": result.row_count, "sha256": result.source_sha256}


@app.delete("/upload/csv")
def remove() -> None:
    """Remove what was received."""
    shutil.rmtree(Path(os.environ["BENCH_DIR"]) / "chunks", ignore_errors=True)


@app.get("/health")
async def health() -> dict[str, str]:
    """Answer at once."""
    return {"status": "ok"}
