from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts.manifest import Manifest
from csvpipe.verify.report import ObjectLostError
from csvpipe.verify.upload_check import verify_upload
from tests.support.s3.fake_bucket import FakeBucket, lay_out, replace_chunk

HEADER = "carrier,flight,note\n"
ROWS = [
    ["UA,1545,on time\n", 'AA,1141,"late,\nvery"\n', "B6,725,\n"],
    ["DL,461,x\n", "\n", "UA,1696,y\n"],
    ["EV,5708,z"],
]
ROWS_OF_CHUNKS = [["UA,1545,é\n"], ["DL,461,x\n", "UA,1696,y\n"]]


@pytest.fixture
def upload() -> tuple[Manifest, FakeBucket]:
    manifest, bucket = lay_out(HEADER, [ROWS[0], [ROWS[1][0], ROWS[1][1] + ROWS[1][2]], ROWS[2]])
    return manifest, bucket


def test_intact_upload_is_proven_by_the_hash_and_rows_of_its_source(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    seen_bytes: list[int] = []

    report = verify_upload(manifest, bucket, on_bytes=seen_bytes.append)

    assert report.is_verified, report.differences
    assert report.source is not None
    assert report.source.sha256 == manifest.source_sha256
    assert report.source.row_count == 6
    assert sum(seen_bytes) == sum(len(data) for data in bucket.objects.values())


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 19, 20, 21, 1000])
def test_proof_does_not_depend_on_how_objects_are_cut_into_reads(
    upload: tuple[Manifest, FakeBucket], block_bytes: int
) -> None:
    manifest, bucket = upload
    bucket.block_bytes = block_bytes
    assert verify_upload(manifest, bucket).is_verified


def test_utf16_source_is_proven_by_encoding_the_content_again() -> None:
    manifest, bucket = lay_out("stadt,zeichen\n", [["Köln,𝄞\n", "Łódź,€\n"], ["東京,é\n"]], utf16=True)
    bucket.block_bytes = 1
    report = verify_upload(manifest, bucket)
    assert report.is_verified, report.differences
    assert report.source is not None
    assert report.source.size_bytes == manifest.source_bytes != manifest.content_bytes


def test_header_only_upload_is_proven_with_no_rows() -> None:
    manifest, bucket = lay_out(HEADER, [[]])
    report = verify_upload(manifest, bucket)
    assert report.is_verified, report.differences
    assert report.source is not None
    assert report.source.row_count == 0


def test_missing_object_is_named_and_no_source_is_claimed(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    del bucket.objects[manifest.chunks[1].key]
    report = verify_upload(manifest, bucket)
    assert not report.is_verified
    assert report.source is None
    assert [str(d) for d in report.differences] == [f"chunk 2 ({manifest.chunks[1].key}): the object does not exist"]


def test_object_that_is_lost_while_it_is_read_is_named_and_the_others_are_read(
    upload: tuple[Manifest, FakeBucket], monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest, bucket = upload
    lost, read = manifest.chunks[0].key, bucket.read

    def read_until_lost(key: str) -> Iterator[bytes]:
        for block in read(key):
            yield block
            if key == lost:
                raise ObjectLostError("it was deleted while it was read", key=key)

    monkeypatch.setattr(bucket, "read", read_until_lost)
    report = verify_upload(manifest, bucket)
    assert not report.is_verified
    assert report.source is None
    assert [str(d) for d in report.differences] == [f"chunk 1 ({lost}): it was deleted while it was read"]
    assert len(report.chunks) == 3


def test_flipped_byte_is_found_by_the_hash_alone(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    key = manifest.chunks[0].key
    bucket.objects[key] = bucket.objects[key].replace(b"1545", b"1546")
    report = verify_upload(manifest, bucket)
    assert not report.is_verified
    assert len(report.differences) == 1
    assert "its SHA-256 is" in report.differences[0].what
    assert "chunk 1" in report.differences[0].place


def test_swapped_chunks_say_whose_bytes_they_hold(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    first, second = manifest.chunks[0].key, manifest.chunks[1].key
    bucket.objects[first], bucket.objects[second] = bucket.objects[second], bucket.objects[first]
    found = [d.what for d in verify_upload(manifest, bucket).differences]
    assert "the object has the content of chunk 2" in found
    assert "the object has the content of chunk 1" in found


def test_missing_row_is_counted(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    key = manifest.chunks[0].key
    bucket.objects[key] = bucket.objects[key].replace(b"B6,725,\n", b"")
    found = [d.what for d in verify_upload(manifest, bucket).differences]
    assert "the object has 2 rows, expected 3" in found


def test_wrong_header_is_shown_beside_the_right_one(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    key = manifest.chunks[2].key
    bucket.objects[key] = bucket.objects[key].replace(b"carrier", b"airline")
    found = [d.what for d in verify_upload(manifest, bucket).differences]
    assert "its header is 'airline,flight,note', expected 'carrier,flight,note' as in the other chunks" in found


def test_object_cut_inside_a_quoted_field_is_no_csv_any_more(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    key = manifest.chunks[0].key
    bucket.objects[key] = bucket.objects[key][:-12]
    found = [d.what for d in verify_upload(manifest, bucket).differences]
    assert any(what.startswith("it is not a valid CSV: row 2") for what in found), found


def test_metadata_that_contradicts_is_a_difference_and_missing_metadata_is_not(
    upload: tuple[Manifest, FakeBucket],
) -> None:
    manifest, bucket = upload
    bucket.metadata.clear()
    assert verify_upload(manifest, bucket).is_verified
    bucket.metadata[manifest.chunks[0].key] = {"upload-id": "f" * 32}
    assert "its metadata 'upload-id'" in verify_upload(manifest, bucket).differences[0].what


def test_extra_object_of_the_same_upload_is_named(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    extra = manifest.chunks[0].key.replace("_chunk_001_", "_chunk_004_")
    bucket.objects[extra] = bucket.objects[manifest.chunks[0].key]
    report = verify_upload(manifest, bucket)
    assert not report.is_verified
    assert report.differences[0].place == f"object {extra}"


def test_objects_of_other_uploads_are_left_alone(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    later = manifest.chunks[0].key.replace("20260131T", "20260201T")
    namesake = manifest.chunks[0].key.replace("_chunk_001_", "_chunk_009_")
    bucket.objects |= {later: b"a\n1\n", namesake: b"a\n1\n", "flights/_manifests/x.json": b"{}"}
    bucket.metadata[namesake] = {"upload-id": "f" * 32}
    assert verify_upload(manifest, bucket).is_verified


def test_source_hash_that_no_object_explains_is_a_difference(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    other = manifest.model_copy(update={"source_sha256": "0" * 64, "content_sha256": "0" * 64})
    places = [d.place for d in verify_upload(other, bucket).differences]
    assert places == ["content, SHA-256", "source, SHA-256"]


@pytest.mark.parametrize(
    ("number", "changes", "what"),
    [
        (2, {"byte_start": 90}, "starts at byte 90 of the source"),
        (2, {"row_start": 5}, "starts at row 5, expected 4"),
        (2, {"row_count": 9}, "are not 9 rows"),
        (3, {"chunk_id": 4}, "is entry 3 of the manifest"),
        (3, {"size_bytes": 1}, "size of 1 byte is not 20 of header and 9 of rows"),
        (1, {"filename": "other.csv"}, "its key does not match its file name other.csv"),
    ],
)
def test_inconsistent_manifest_is_reported(
    upload: tuple[Manifest, FakeBucket], number: int, changes: dict[str, object], what: str
) -> None:
    manifest, bucket = upload
    report = verify_upload(replace_chunk(manifest, number, **changes), bucket)
    assert not report.is_verified
    assert any(what in d.what for d in report.differences), report.differences


def test_manifest_without_one_of_its_chunks_is_reported(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    short = manifest.model_copy(update={"chunks": manifest.chunks[:-1]})
    found = [str(d) for d in verify_upload(short, bucket).differences]
    assert "manifest: lists 2 chunks, total_chunks is 3" in found
    assert any("the chunks end at row 5, expected 6" in each for each in found)
    assert any("not in the manifest" in each for each in found)


def test_duplicate_key_is_reported(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    doubled = replace_chunk(manifest, 2, key=manifest.chunks[0].key)
    assert any("2 chunks have the key" in d.what for d in verify_upload(doubled, bucket).differences)


@pytest.mark.parametrize("utf16", [False, True])
def test_compressed_source_is_proven_by_its_content(utf16: bool) -> None:
    manifest, bucket = lay_out(HEADER, ROWS_OF_CHUNKS, utf16=utf16)
    packed = manifest.model_copy(update={"compression": "gzip", "source_bytes": 7, "source_sha256": "0" * 64})
    report = verify_upload(packed, bucket)
    assert report.is_verified, report.differences
    assert report.source is not None
    assert report.source.sha256 == manifest.content_sha256


def test_lost_row_of_a_compressed_source_is_found() -> None:
    manifest, bucket = lay_out(HEADER, ROWS_OF_CHUNKS)
    packed = manifest.model_copy(update={"compression": "zstd", "source_bytes": 7, "content_sha256": "0" * 64})
    assert [str(each) for each in verify_upload(packed, bucket).differences if each.place == "content, SHA-256"]
