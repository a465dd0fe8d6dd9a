"""``/uploads/{upload_id}``: what helps to read an upload."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from contracts.reading import Readers
from tests.support.uploader.http_uploads import UNKNOWN, assert_problem, land
from tests.support.uploader.server import RunningUploader, running_uploader


class TestFirstRows:
    def test_they_come_from_the_first_chunk(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        answer = client.get(f"/uploads/{upload()}/rows")
        assert (answer.status_code, answer.json()) == (
            200,
            {"header": ["id", "name"], "rows": [["1", "row of chunk 1"]], "row_count": 3},
        )

    @pytest.mark.parametrize("limit", ["0", "101", "many"])
    def test_limit_is_checked(self, client: httpx.Client, upload: Callable[..., str], limit: str) -> None:
        answer = client.get(f"/uploads/{upload()}/rows", params={"limit": limit})
        assert_problem(answer, 422, "invalid_request")

    def test_cleaned_file_is_gone_without_a_bucket_to_look_into(
        self, client: httpx.Client, server: RunningUploader, upload: Callable[..., str]
    ) -> None:
        upload_id = upload()
        land(client, upload_id, 1, 2, 3)
        for path in (server.temp_dir / upload_id).glob("*_chunk_001_*.csv"):
            path.unlink()
        problem = assert_problem(client.get(f"/uploads/{upload_id}/rows"), 410, "chunk_gone")
        assert "s3://raw/people/people_chunk_001_" in problem["detail"]
        assert "S3_ENDPOINT" in problem["detail"]

    def test_unknown_and_deleted_uploads_have_none(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        assert_problem(client.get(f"/uploads/{UNKNOWN}/rows"), 404, "upload_not_found")
        upload_id = upload()
        client.delete(f"/uploads/{upload_id}", params={"force": "true"})
        assert_problem(client.get(f"/uploads/{upload_id}/rows"), 410, "upload_gone")


class TestReaders:
    def test_statements_name_the_objects(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        upload_id = upload()
        answer = client.get(f"/uploads/{upload_id}/readers")
        assert answer.status_code == 200
        found = Readers.model_validate_json(answer.content)
        assert [reader.name for reader in found.readers] == ["DuckDB", "Polars", "Spark", "Trino"]
        [stamp] = {
            chunk["filename"].removesuffix(".csv").rpartition("_")[2]
            for chunk in client.get(f"/uploads/{upload_id}/manifest").json()["chunks"]
        }
        assert all(f"_{stamp}.csv" in reader.statement for reader in found.readers)
        assert all("3 rows in 3 objects" in reader.statement for reader in found.readers)
        assert "has not landed" in found.notes[0]

    def test_lines_before_the_header_are_skipped_while_the_file_can_be_read(
        self, client: httpx.Client, server: RunningUploader
    ) -> None:
        answer = client.post(
            "/upload/csv?dataset_name=people", files={"file": ("people.csv", b"sep=;\nid;name\n1;x\n")}
        )
        upload_id = answer.json()["upload_id"]
        path = f"/uploads/{upload_id}/readers"
        assert "skip = 1" in client.get(path).text
        for file in (server.temp_dir / upload_id).glob("*.csv"):
            file.unlink()
        without = client.get(path)
        assert "skip = 1" not in without.text
        assert "could not look" in without.json()["notes"][-1]

    def test_unknown_and_deleted_uploads_have_none(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        assert_problem(client.get(f"/uploads/{UNKNOWN}/readers"), 404, "upload_not_found")
        upload_id = upload()
        client.delete(f"/uploads/{upload_id}", params={"force": "true"})
        assert_problem(client.get(f"/uploads/{upload_id}/readers"), 410, "upload_gone")


class TestLinks:
    def test_there_are_none_without_addresses(self, client: httpx.Client, upload: Callable[..., str]) -> None:
        answer = client.get(f"/uploads/{upload()}/links")
        assert (answer.status_code, answer.json()["links"]) == (200, [])
        assert ["AIRFLOW_URL" in note for note in answer.json()["notes"]] == [True, False]

    def test_unknown_upload_has_none(self, client: httpx.Client) -> None:
        assert_problem(client.get(f"/uploads/{UNKNOWN}/links"), 404, "upload_not_found")


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[list[RunningUploader]]:
    """Give two replicas that share a database."""
    with ExitStack() as stack:
        database_url = f"sqlite:///{tmp_path / 'shared.sqlite3'}"
        yield [
            stack.enter_context(running_uploader(tmp_path / name, replica_name=name, database_url=database_url))
            for name in ("replica-0", "replica-1")
        ]


def test_rows_on_another_replica_are_fetched_from_there(pair: list[RunningUploader]) -> None:
    replica, other = pair
    answer = httpx.post(
        f"{replica.base_url}/upload/csv?dataset_name=people",
        files={"file": ("people.csv", b'id,note\n1,"a\nb"\n2,c\n')},
        trust_env=False,
    )
    path = f"/uploads/{answer.json()['upload_id']}/rows"
    found = httpx.get(other.base_url + path, trust_env=False)
    assert (found.status_code, found.json()["rows"]) == (200, [["1", "a\nb"], ["2", "c"]])
    assert found.json() == httpx.get(replica.base_url + path, trust_env=False).json()
    for file in replica.temp_dir.glob("*/*.csv"):
        file.unlink()
    assert_problem(httpx.get(other.base_url + path, trust_env=False), 410, "chunk_gone")
