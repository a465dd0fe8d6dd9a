"""One upload is one trace, from the request to the manifest, through every service."""

from __future__ import annotations

from pathlib import Path

from contracts.names import BYTES_PER_MB
from tests.support.monitoring.otlp import OtlpReceiver
from tests.support.pipeline.csv_data import write_csv
from tests.support.pipeline.pipeline import Pipeline

_CHUNKS = 3


def test_one_upload_is_one_trace(pipeline: Pipeline, spans: OtlpReceiver, tmp_path: Path) -> None:
    file = write_csv(
        tmp_path / "traced.csv", size_bytes=150 * BYTES_PER_MB
    )  # large enough for the landing monitor to wait
    upload_id = pipeline.upload(file, "traced", "count", _CHUNKS)["upload_id"]
    pipeline.wait_until_landed(upload_id)
    pipeline.check_nothing_left_over()

    (upload,) = spans.wait_for("upload", upload_id)
    *_, announce = spans.wait_for("announce", upload_id)  # one per attempt: the last one was acknowledged
    tasks = ("prepare_nifi_request", "trigger_nifi_ingestion", "monitor_nifi_status", "publish_manifest")
    by_task = {task: spans.wait_for(task, upload_id) for task in tasks}
    downloads = spans.wait_for("download", upload_id, count=_CHUNKS)

    every = spans.of_upload(upload_id)
    waits = [span for span in every if span.name == "wait_for_landing"]
    assert {span.trace_id for span in every} == {upload.trace_id}
    assert {span.service for span in every} == {"csvpipe-uploader", "csvpipe-dags"}
    assert (upload.parent_id, announce.parent_id) == ("", upload.span_id)
    assert {span.parent_id for found in [*by_task.values(), waits] for span in found} == {announce.span_id}
    # NiFi fetches chunks on behalf of the task that relayed them.
    assert {span.parent_id for span in downloads} <= {span.span_id for span in by_task["trigger_nifi_ingestion"]}
    assert {span.attributes["csvpipe.chunk_id"] for span in downloads} == {1, 2, 3}
