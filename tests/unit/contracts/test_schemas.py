"""The published schemas are those of the models, and real messages and manifests pass through them unchanged."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import fastavro
import jsonschema
import pytest
from fastavro.types import Schema

from contracts.manifest import Manifest, ManifestChunk
from contracts.message import ChunkMessage
from csvpipe.generate.documents import render_schemas
from csvpipe.generate.schemas import MANIFEST_AVRO, MANIFEST_JSON, MESSAGE_AVRO, MESSAGE_JSON
from tests.support.s3.fake_bucket import lay_out
from tests.support.signatures import fake_sign
from tests.support.uploader.uploads import upload_records
from uploader.domain.messages import build_message

ADDED = {"name": "shelf_life_days", "type": ["null", "int"], "default": None}
PUBLISHED_AT = datetime(2026, 1, 31, 23, 59, 59, 987654, tzinfo=UTC)


def real_messages() -> list[ChunkMessage]:
    upload, chunks = upload_records(at=PUBLISHED_AT, chunks=3)
    sent = [
        build_message(upload, each, base_url="http://127.0.0.1:8000", published_at=PUBLISHED_AT, sign=fake_sign)
        for each in chunks
    ]
    empty = {"row_count": 0, "row_start": 1, "row_end": 0, "headers": ["größe", "名前", ""], "header_count": 3}
    large = {"size_bytes": 2**63 - 1, "byte_end": 2**63 - 1, "chunk_size_mb": (2**63 - 1) / 2**20}
    return [*sent, sent[0].model_copy(update=empty), sent[0].model_copy(update=large)]


def real_manifests() -> list[Manifest]:
    manifest, _ = lay_out("a,b\n", [["1,2\n"], ["3,4\n"]])
    return [manifest, manifest.model_copy(update={"transcoded_from": "utf-16-le"})]


def schema_of(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write(schema: Schema, record: dict[str, Any]) -> bytes:
    """Write as strictly as Avro can: no field too few, none too many."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(schema), record, strict=True)
    return out.getvalue()


def read(written: bytes, *, writer: Schema, reader: Schema) -> Any:
    parsed = fastavro.parse_schema(writer), fastavro.parse_schema(reader)
    return fastavro.schemaless_reader(io.BytesIO(written), *parsed)


@pytest.fixture
def avro() -> Any:
    return schema_of(MESSAGE_AVRO)


@pytest.mark.parametrize("path", [MESSAGE_JSON, MANIFEST_JSON, MESSAGE_AVRO, MANIFEST_AVRO], ids=lambda p: p.name)
def test_published_schema_is_that_of_the_model(path: Path) -> None:
    rendered = render_schemas()
    assert path.read_text(encoding="utf-8") == rendered[path], "run `make generate` and commit what it writes"
    assert set(path.parent.glob("*.*")) == set(rendered)


@pytest.mark.parametrize("message", real_messages())
def test_message_is_valid_by_its_json_schema(message: ChunkMessage) -> None:
    jsonschema.validate(json.loads(message.to_bytes()), schema_of(MESSAGE_JSON))


@pytest.mark.parametrize("name", [name for name, f in ChunkMessage.model_fields.items() if f.is_required()])
def test_message_without_a_field_is_refused_by_its_json_schema(name: str) -> None:
    message = json.loads(real_messages()[0].to_bytes())
    del message[name]
    with pytest.raises(jsonschema.ValidationError, match=f"'{name}' is a required property"):
        jsonschema.validate(message, schema_of(MESSAGE_JSON))


@pytest.mark.parametrize("manifest", real_manifests())
def test_manifest_is_valid_by_its_json_schema(manifest: Manifest) -> None:
    jsonschema.validate(json.loads(manifest.model_dump_json()), schema_of(MANIFEST_JSON))


@pytest.mark.parametrize("message", real_messages())
def test_message_comes_back_from_avro_as_it_was(message: ChunkMessage, avro: Any) -> None:
    found = read(write(avro, message.model_dump()), writer=avro, reader=avro)
    assert ChunkMessage.model_validate(found) == message


@pytest.mark.parametrize("manifest", real_manifests())
def test_manifest_comes_back_from_avro_as_it_was(manifest: Manifest) -> None:
    schema = schema_of(MANIFEST_AVRO)
    found = read(write(schema, manifest.model_dump()), writer=schema, reader=schema)
    assert Manifest.model_validate(found) == manifest


def test_avro_has_the_fields_of_the_models_in_their_order(avro: Any) -> None:
    assert [field["name"] for field in avro["fields"]] == list(ChunkMessage.model_fields)
    manifest = schema_of(MANIFEST_AVRO)
    assert [field["name"] for field in manifest["fields"]] == list(Manifest.model_fields)
    [chunks] = [field["type"]["items"] for field in manifest["fields"] if field["name"] == "chunks"]
    assert [field["name"] for field in chunks["fields"]] == list(ManifestChunk.model_fields)


def test_avro_has_the_defaults_of_the_model(avro: Any) -> None:
    defaults = {field["name"]: field["default"] for field in avro["fields"] if "default" in field}
    assert defaults == {name: f.default for name, f in ChunkMessage.model_fields.items() if not f.is_required()}


@pytest.mark.parametrize("name", list(ChunkMessage.model_fields))
def test_record_without_a_field_is_not_written(name: str, avro: Any) -> None:
    record = real_messages()[0].model_dump()
    del record[name]
    with pytest.raises(ValueError, match=name):
        write(avro, record)


def test_record_with_an_unknown_field_is_not_written(avro: Any) -> None:
    record = {**real_messages()[0].model_dump(), "shelf_life_days": 3}
    with pytest.raises(ValueError, match="shelf_life_days"):
        write(avro, record)


@pytest.mark.parametrize(("name", "wrong"), [("row_count", "3"), ("headers", 3), ("sha256", None)])
def test_record_with_a_value_of_another_type_is_not_written(name: str, wrong: object, avro: Any) -> None:
    record = {**real_messages()[0].model_dump(), name: wrong}
    with pytest.raises((TypeError, ValueError)):
        write(avro, record)


def test_reader_of_today_reads_a_message_with_a_field_of_tomorrow(avro: Any) -> None:
    tomorrow = deepcopy(avro)
    tomorrow["fields"].insert(3, ADDED)
    message = real_messages()[0]
    written = write(tomorrow, {**message.model_dump(), "shelf_life_days": 3})
    assert ChunkMessage.model_validate(read(written, writer=tomorrow, reader=avro)) == message


def test_reader_of_tomorrow_reads_a_message_of_today(avro: Any) -> None:
    tomorrow = deepcopy(avro)
    tomorrow["fields"].append(ADDED)
    message = real_messages()[0]
    found = read(write(avro, message.model_dump()), writer=avro, reader=tomorrow)
    assert found == {**message.model_dump(), "shelf_life_days": None}


def test_field_that_goes_is_missed_by_the_reader_of_today(avro: Any) -> None:
    tomorrow = deepcopy(avro)
    tomorrow["fields"] = [field for field in avro["fields"] if field["name"] != "sha256"]
    written = write(tomorrow, real_messages()[0].model_dump(exclude={"sha256"}))
    with pytest.raises(fastavro.read.SchemaResolutionError):
        read(written, writer=tomorrow, reader=avro)
