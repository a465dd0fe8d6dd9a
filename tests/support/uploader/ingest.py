"""Reception of uploads without HTTP: a multipart body in, chunk files and their description out."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from uploader.disk.staging_directory import open_staging
from uploader.domain.cutting import CutOptions, CutResult
from uploader.http.request_body import StreamedBody
from uploader.ingest.size_limits import SizeLimit
from uploader.ingest.upload_head import read_upload_head
from uploader.ingest.upload_receiver import receive_upload
from uploader.settings import UPLOAD_WINDOW_S, Settings

BOUNDARY = "----csvpipe-test"
MOMENT = datetime(2026, 1, 31, 12, tzinfo=UTC)
Part = tuple[str, bytes]
"""A part's name and content; the part named ``file`` gets a file name."""


@dataclass(frozen=True)
class Received:
    """The result of an upload: its options, its description, and the content of its chunk files in order."""

    options: CutOptions
    result: CutResult
    files: list[bytes]
    left_over: list[str]

    @property
    def content(self) -> bytes:
        """The chunks put together again, as the manifest says it is done."""
        header_bytes = self.result.header_bytes
        return self.files[0][:header_bytes] + b"".join(file[header_bytes:] for file in self.files)


def form(parts: Iterable[Part], *, boundary: str = BOUNDARY) -> bytes:
    """Return ``parts`` as a multipart/form-data body."""
    body = b""
    for name, content in parts:
        filename = '; filename="data.csv"' if name == "file" else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{filename}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    return body + f"--{boundary}--\r\n".encode()


def cut_up(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut ``data`` into pieces of ``sizes``, again and again from the first."""
    pieces, position, turn = [], 0, 0
    while position < len(data):
        size = sizes[turn % len(sizes)]
        pieces.append(data[position : position + size])
        position, turn = position + size, turn + 1
    return pieces


async def stream(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    """Yield ``pieces`` as a server would, giving way to other tasks in between."""
    for piece in pieces:
        yield piece
        await asyncio.sleep(0)


async def receive(
    body: AsyncIterator[bytes],
    *,
    temp_dir: Path,
    settings: Settings | None = None,
    query: Iterable[tuple[str, str]] = (),
    headers: dict[str, str] | None = None,
    window_s: float = UPLOAD_WINDOW_S,
) -> Received:
    """Receive ``body``, read the chunk files, and remove them."""
    upload_id = uuid.uuid4().hex
    settings = settings or settings_for(temp_dir)
    head = read_upload_head(
        headers={"content-type": f"multipart/form-data; boundary={BOUNDARY}", **(headers or {})},
        query=query,
        settings=settings,
        size_limit=SizeLimit(max_mb=settings.max_file_size_mb),
    )
    async with open_staging(temp_dir, upload_id) as directory:
        options, result = await receive_upload(
            body=StreamedBody(body),
            head=head,
            settings=settings,
            directory=directory.path,
            upload_id=upload_id,
            created_at=MOMENT,
            window_s=window_s,
        )
        names = [chunk.filename for chunk in result.chunks]
        return Received(
            options=options,
            result=result,
            files=[(directory.path / name).read_bytes() for name in names],
            left_over=sorted({path.name for path in directory.path.iterdir()} - {*names, ".lock"}),
        )


def settings_for(temp_dir: Path, **given: object) -> Settings:
    """Return settings for a test: chunk files under ``temp_dir``, and no demands on the disk."""
    return Settings(**{"temp_dir": temp_dir, "min_free_disk_mb": 0, "low_disk_mb": 0, **given})  # type: ignore[arg-type]  # the fields of Settings
