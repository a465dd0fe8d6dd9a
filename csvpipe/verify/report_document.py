"""The report of a verification as a JSON document."""

from __future__ import annotations

from csvpipe.verify.report import Difference, UploadReport


def report_document(report: UploadReport) -> dict[str, object]:
    """Return ``report`` with every difference.

    ``rebuilt`` is the source, or the content of a compressed one; null if an object is missing or has other content.
    """
    manifest, rebuilt = report.manifest, report.source
    return {
        "upload_id": manifest.upload_id,
        "dataset_name": manifest.dataset_name,
        "verified": report.is_verified,
        "source": {
            "filename": manifest.source_filename,
            "size_bytes": manifest.source_bytes,
            "sha256": manifest.source_sha256,
            "compression": manifest.compression,
            "row_count": manifest.row_count,
        },
        "rebuilt": rebuilt
        and {"size_bytes": rebuilt.size_bytes, "sha256": rebuilt.sha256, "row_count": rebuilt.row_count},
        "chunks": [
            {
                "chunk_id": found.chunk.chunk_id,
                "key": found.chunk.key,
                "row_start": found.chunk.row_start,
                "row_end": found.chunk.row_end,
                "byte_start": found.chunk.byte_start,
                "byte_end": found.chunk.byte_end,
                "size_bytes": found.chunk.size_bytes,
                "sha256": found.chunk.sha256,
                "differences": [_document(each) for each in found.differences],
            }
            for found in report.chunks
        ],
        "differences": [_document(each) for each in report.differences],
    }


def _document(difference: Difference) -> dict[str, str]:
    return {"place": difference.place, "what": difference.what}
