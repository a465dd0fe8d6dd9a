"""The statements of ``GET /uploads/{upload_id}/readers``, run by DuckDB and Polars on a real object store."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator
from typing import Any

import duckdb
import httpx
import polars as pl
import pytest

from contracts.names import BUCKET_RAW, METADATA_SHA256
from contracts.reading import Readers
from tests.support.s3.boto_filesystem import BotoFileSystem
from tests.support.services import MinioServer
from tests.support.uploader.server import RunningUploader, running_uploader

Rows = list[list[str]]
Read = Callable[[str, MinioServer], Rows]
FILES: dict[str, tuple[bytes, dict[str, str]]] = {
    "plain": (b"id,name\n007,x\n008,y\n", {}),
    "one chunk": (b"id,name\n007,x\n008,y\n", {"chunk_size": "10"}),
    "quotes": (b'id,name\n1,"a,b"\n2,"say ""hi"""\n3,"c:\\"\n', {}),
    "line ends in quotes": (b'id,name\r\n1,"a\r\nb"\r\n2,"c\nd"\r\n3,"e\rf"\r\n', {}),
    "semicolons and single quotes": (b"it's;na me\n007;x'y\n", {}),
    "tabs": (b"id\tname\n007\tx,y\n", {}),
    "control character": (b"id\x01name\n007\x01x\n", {"delimiter": "\\x01"}),
    "what looks like a number, a date or a comment": (b"a,b\n1e5,2020-01-01\n#x,true\n 08 ,NULL\n", {}),
    "empty fields": (b'a,b\n,x\n"",y\n', {}),
    "byte order mark": ("\ufeffa,b\n1,é\n".encode(), {}),
    "line sep=": (b"sep=;\na;b\n1;x\n2;y\n", {}),
    "line end in a name": (b'"a\nb",c\n1,x\n', {}),
    "empty and repeated names": (b"a,,a,A\n1,2,3,4\n", {}),
    "header only": (b"a,b\n", {}),
    "no last line end": (b"a,b\n1,x\n2,y", {}),
    "latin-1": ("a,b\n1,é\n2,ü\n".encode("latin-1"), {"encoding": "latin-1"}),
    "unknown encoding": ("a,b\n1,é\n".encode("latin-1"), {}),
    "utf-16": ("\ufeffa,b\n1,é\n".encode("utf-16-le"), {}),
}


@pytest.fixture(scope="module")
def server(minio: MinioServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningUploader]:
    keys: dict[str, Any] = {"aws_access_key_id": minio.access_key, "aws_secret_access_key": minio.secret_key}
    with running_uploader(tmp_path_factory.mktemp("chunks"), s3_endpoint=minio.endpoint, **keys) as running:
        yield running


def land(server: RunningUploader, minio: MinioServer, content: bytes, options: dict[str, str]) -> str:
    """Upload a file, a row a chunk, put its chunks into the bucket and report them; return the upload's id."""
    with httpx.Client(base_url=server.base_url, trust_env=False) as client:
        fields = {"dataset_name": "it-is.a_test", "chunk_type": "rows", "chunk_size": "1", **options}
        answer = client.post("/upload/csv", params=fields, files={"file": ("file.csv", content)})
        assert answer.status_code == 202, answer.text
        upload_id = str(answer.json()["upload_id"])
        for chunk in client.get(f"/uploads/{upload_id}/manifest").json()["chunks"]:
            body = (server.temp_dir / upload_id / chunk["filename"]).read_bytes()
            metadata = {METADATA_SHA256: chunk["sha256"]}
            minio.client().put_object(Bucket=BUCKET_RAW, Key=chunk["key"], Body=body, Metadata=metadata)
            evidence = {"size_bytes": chunk["size_bytes"], "sha256": chunk["sha256"]}
            report = {"state": "landed", "evidence": evidence}
            client.put(f"/chunks/{upload_id}/{chunk['chunk_id']}/state", json=report).raise_for_status()
    return upload_id


def readers_of(server: RunningUploader, upload_id: str) -> Readers:
    answer = httpx.get(f"{server.base_url}/uploads/{upload_id}/readers", trust_env=False)
    assert answer.status_code == 200, answer.text
    return Readers.model_validate_json(answer.content)


def with_keys(statement: str, minio: MinioServer) -> str:
    return statement.replace("ACCESS_KEY'", f"{minio.access_key}'").replace("SECRET_KEY'", f"{minio.secret_key}'")


def read_with_duckdb(statement: str, minio: MinioServer) -> Rows:
    """Run all but the statement that makes the secret, which the extension httpfs has: it is not on PyPI."""
    secret, _, select = statement.rpartition(";\n\n")
    assert secret.startswith("CREATE OR REPLACE SECRET")
    with duckdb.connect() as connection:
        connection.register_filesystem(BotoFileSystem(minio.client()))
        found = connection.execute(select)
        return [[cell or "" for cell in row] for row in found.fetchall()]


def read_with_polars(script: str, minio: MinioServer) -> Rows:
    variables: dict[str, Any] = {}
    exec(with_keys(script, minio), variables)
    frame = variables["frame"]
    assert set(frame.dtypes) <= {pl.String}
    return [[cell or "" for cell in row] for row in frame.rows()]


READ: dict[str, Read] = {"DuckDB": read_with_duckdb, "Polars": read_with_polars}


def rows_of(content: bytes, options: dict[str, str]) -> Rows:
    """Return the rows of a file, as Python reads them."""
    encoding = "utf-16" if content.startswith(b"\xff\xfe") else options.get("encoding", "utf-8-sig")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    delimiter = {"\\x01": "\x01"}.get(options.get("delimiter", ""), "")
    delimiter = delimiter or next((each for each in ";\t" if each in text), ",")
    records = list(csv.reader(io.StringIO(text.removeprefix("sep=;\n"), newline=""), delimiter=delimiter))
    return records[1:]


@pytest.mark.parametrize("name", FILES)
def test_statements_read_the_rows_of_the_file(name: str, server: RunningUploader, minio: MinioServer) -> None:
    content, options = FILES[name]
    found = readers_of(server, land(server, minio, content, options))

    statements: dict[str, str] = {reader.name: reader.statement for reader in found.readers}

    assert list(statements) == ["DuckDB", "Polars", "Spark", "Trino"]
    for reader, read in READ.items():
        assert read(statements[reader], minio) == rows_of(content, options), statements[reader]
