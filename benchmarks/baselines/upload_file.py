"""What most FastAPI services do: Starlette spools the form, the handler saves the file with aiofiles."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import aiofiles
from fastapi import FastAPI, Form, UploadFile

app = FastAPI()
_READ_BYTES = 1024 * 1024


@app.post("/upload/csv", status_code=202)
async def save(file: UploadFile, dataset_name: Annotated[str, Form()]) -> dict[str, str]:
    """Write the file to ``BENCH_DIR/upload_file``."""
    async with aiofiles.open(Path(os.environ["BENCH_DIR"]) / "upload_file", "wb") as target:
        while block := await file.read(_READ_BYTES):
            await target.write(block)
    return {"dataset_name": dataset_name}


@app.get("/health")
async def health() -> dict[str, str]:
    """Answer at once."""
    return {"status": "ok"}
