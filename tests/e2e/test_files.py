"""Files of every kind pass through the whole pipeline; every row arrives exactly once."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contracts.names import BYTES_PER_MB
from tests.support.pipeline.csv_data import CsvFile, write_csv
from tests.support.pipeline.pipeline import Pipeline

_SIZES_MB = (1, 100, 500)


@pytest.fixture(scope="module", params=_SIZES_MB, ids=lambda size_mb: f"{size_mb}MB")
def file(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> CsvFile:
    """Yield a file of each size, shared by all chunk types."""
    path = tmp_path_factory.mktemp("files") / "data.csv"
    return write_csv(path, size_bytes=request.param * BYTES_PER_MB)


@pytest.mark.parametrize("chunk_type", ["size", "rows", "count"])
def test_file_lands_exactly_once(pipeline: Pipeline, file: CsvFile, chunk_type: str) -> None:
    size_mb = file.size_bytes // BYTES_PER_MB
    chunk_size = {"size": max(1, size_mb // 10), "rows": file.rows // 8 + 1, "count": 7}[chunk_type]
    dataset = f"file-{size_mb}-{chunk_type}"

    answer = pipeline.upload(file, dataset, chunk_type, chunk_size)

    size_chunks = {1: 1, 100: 10, 500: 10}[
        size_mb
    ]  # each exceeds its size by part of a row, so the last one is smaller
    expected = {"size": size_chunks, "rows": math.ceil(file.rows / chunk_size), "count": 7}[chunk_type]
    assert answer["total_chunks"] == expected
    assert (answer["row_count"], answer["size_bytes"], answer["sha256"]) == (file.rows, file.size_bytes, file.sha256)
    pipeline.wait_until_landed(answer["upload_id"])
    pipeline.check_nothing_left_over()
    pipeline.check_landed_exactly_once(answer["upload_id"], dataset, file)


def test_quoted_line_ends_stay_in_their_row(pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "quoted.csv", size_bytes=5 * BYTES_PER_MB, quoted=True)
    answer = pipeline.upload(file, "quoted", "size", 1)
    assert answer["total_chunks"] == 5
    pipeline.wait_until_landed(answer["upload_id"])
    pipeline.check_nothing_left_over()
    pipeline.check_landed_exactly_once(answer["upload_id"], "quoted", file)


def test_five_concurrent_uploads_do_not_mix(pipeline: Pipeline, tmp_path: Path) -> None:
    names = [f"parallel-{number}" for number in range(5)]
    files = [write_csv(tmp_path / name, size_bytes=12 * BYTES_PER_MB, salt=name) for name in names]
    with ThreadPoolExecutor(5) as pool:
        answers = list(pool.map(lambda file, name: pipeline.upload(file, name, "size", 3), files, names))
    for answer in answers:
        pipeline.wait_until_landed(answer["upload_id"])
    pipeline.check_nothing_left_over()
    for answer, name, file in zip(answers, names, files, strict=True):
        pipeline.check_landed_exactly_once(answer["upload_id"], name, file)


def test_many_chunks_take_as_many_airflow_tasks_as_one(pipeline: Pipeline, tmp_path: Path) -> None:
    tasks = {}
    for chunks in (1, 100):
        file = write_csv(tmp_path / "data.csv", size_bytes=2 * BYTES_PER_MB, salt=str(chunks))
        answer = pipeline.upload(file, f"many-{chunks}", "count", chunks)
        assert answer["total_chunks"] == chunks
        pipeline.wait_until_landed(answer["upload_id"])
        pipeline.check_nothing_left_over()
        pipeline.check_landed_exactly_once(answer["upload_id"], f"many-{chunks}", file)
        (run,) = pipeline.chunk_runs(answer["upload_id"])
        tasks[chunks] = len(pipeline.tasks(run["dag_run_id"]))
    assert 0 < tasks[100] == tasks[1]


def test_command_line_uploads_waits_and_verifies(pipeline: Pipeline, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "cli.csv", size_bytes=3 * BYTES_PER_MB, quoted=True)
    pipeline.run_csvpipe("upload", str(file.path), "--dataset", "cli", "--chunk-size", "1", "--wait")
    (upload,) = pipeline.uploads_of("cli")
    proof = pipeline.run_csvpipe("verify", upload["upload_id"])
    assert file.sha256 in proof
    pipeline.check_nothing_left_over()
    pipeline.check_landed_exactly_once(upload["upload_id"], "cli", file)


def test_invalid_file_leaves_nothing_behind(pipeline: Pipeline) -> None:
    messages_before = pipeline.end_offsets()

    response = pipeline.post({"dataset_name": "invalid"}, iter([b"a,b\n1,2\n", b'3,"never closed\n']))

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert (problem["code"], problem["row"]) == ("invalid_csv", 2), problem
    assert pipeline.uploads_of("invalid") == []
    assert pipeline.end_offsets() == messages_before
    pipeline.check_nothing_left_over()
    assert pipeline.keys("invalid") == []
