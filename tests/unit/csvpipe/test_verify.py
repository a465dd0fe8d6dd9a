from __future__ import annotations

from collections.abc import Iterator

import pytest

from contracts.manifest import Manifest
from csvpipe.proof import ObjectLostError
from csvpipe.verify import verify
from tests.support.s3.fake_bucket import FakeBucket, lay_out, replace_chunk

HEADER = "carrier,flight,note\n"
ROWS = [
    ["UA,1545,on time\n", 'AA,1141,"late,\nvery"\n', "B6,725,\n"],
    ["DL,461,x\n", "\n", "UA,1696,y\n"],
    ["EV,5708,z"],
]
BLANK_LINES = 1


@pytest.fixture
def upload() -> tuple[Manifest, FakeBucket]:
    manifest, bucket = lay_out(HEADER, [ROWS[0], [ROWS[1][0], ROWS[1][1] + ROWS[1][2]], ROWS[2]])
    return manifest, bucket


def test_intact_upload_is_proven_by_the_hash_and_rows_of_its_source(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    seen_bytes: list[int] = []

    proof = verify(manifest, bucket, on_bytes=seen_bytes.append)

    assert proof.holds, proof.differences
    assert proof.source is not None
    assert proof.source.sha256 == manifest.source_sha256
    assert proof.source.row_count == 6
    assert sum(seen_bytes) == sum(len(data) for data in bucket.objects.values())


@pytest.mark.parametrize("block_bytes", [1, 2, 3, 19, 20, 21, 1000])
def test_proof_does_not_depend_on_how_objects_are_cut_into_reads(
    upload: tuple[Manifest, FakeBucket], block_bytes: int
) -> None:
    manifest, bucket = upload
    bucket.block_bytes = block_bytes
    assert verify(manifest, bucket).holds


def test_utf16_source_is_proven_by_encoding_the_content_again() -> None:
    manifest, bucket = lay_out("stadt,zeichen\n", [["Köln,𝄞\n", "Łódź,€\n"], ["東京,é\n"]], utf16=True)
    bucket.block_bytes = 1
    proof = verify(manifest, bucket)
    assert proof.holds, proof.differences
    assert proof.source is not None
    assert proof.source.size_bytes == manifest.source_bytes != manifest.content_bytes


def test_header_only_upload_is_proven_with_no_rows() -> None:
    manifest, bucket = lay_out(HEADER, [[]])
    proof = verify(manifest, bucket)
    assert proof.holds, proof.differences
    assert proof.source is not None
    assert proof.source.row_count == 0


def test_missing_object_is_named_and_no_source_is_claimed(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    del bucket.objects[manifest.chunks[1].key]
    proof = verify(manifest, bucket)
    assert not proof.holds
    assert proof.source is None
    assert [str(d) for d in proof.differences] == [f"chunk 2 ({manifest.chunks[1].key}): there is no such object"]


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
    proof = verify(manifest, bucket)
    assert not proof.holds
    assert proof.source is None
    assert [str(d) for d in proof.differences] == [f"chunk 1 ({lost}): it was deleted while it was read"]
    assert len(proof.chunks) == 3


def test_flipped_byte_is_found_by_the_hash_alone(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    key = manifest.chunks[0].key
    bucket.objects[key] = bucket.objects[key].replace(b"1545", b"1546")
    proof = verify(manifest, bucket)
    assert not proof.holds
    assert len(proof.differences) == 1
    assert "its SHA-256 is" in proof.differences[0].what
    assert "chunk 1" in proof.differences[0].place


def test_swapped_chunks_say_whose_bytes_they_hold(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    first, second = manifest.chunks[0].key, manifest.chunks[1].key
    bucket.objects[first], bucket.objects[second] = bucket.objects[second], bucket.objects[first]
    found = [d.what for d in verify(manifest, bucket).differences]
    assert "it holds the bytes of chunk 2" in found
    assert "it holds the bytes of chunk 1" in found


def test_missing_row_is_counted(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    key = manifest.chunks[0].key
    bucket.objects[key] = bucket.objects[key].replace(b"B6,725,\n", b"")
    found = [d.what for d in verify(manifest, bucket).differences]
    assert "it has 2 rows, announced were 3" in found


def test_wrong_header_is_shown_beside_the_right_one(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    key = manifest.chunks[2].key
    bucket.objects[key] = bucket.objects[key].replace(b"carrier", b"airline")
    found = [d.what for d in verify(manifest, bucket).differences]
    assert "its header is 'airline,flight,note', that of the others 'carrier,flight,note'" in found


def test_object_cut_inside_a_quoted_field_is_no_csv_any_more(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    key = manifest.chunks[0].key
    bucket.objects[key] = bucket.objects[key][:-12]
    found = [d.what for d in verify(manifest, bucket).differences]
    assert any(what.startswith("it is no CSV any more: row 2") for what in found), found


def test_metadata_that_contradicts_is_a_difference_and_missing_metadata_is_not(
    upload: tuple[Manifest, FakeBucket],
) -> None:
    manifest, bucket = upload
    bucket.metadata.clear()
    assert verify(manifest, bucket).holds
    bucket.metadata[manifest.chunks[0].key] = {"upload-id": "f" * 32}
    assert "its metadata 'upload-id'" in verify(manifest, bucket).differences[0].what


def test_extra_object_of_the_same_upload_is_named(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    extra = manifest.chunks[0].key.replace("_chunk_001_", "_chunk_004_")
    bucket.objects[extra] = bucket.objects[manifest.chunks[0].key]
    proof = verify(manifest, bucket)
    assert not proof.holds
    assert proof.differences[0].place == f"object {extra}"


def test_objects_of_other_uploads_are_left_alone(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    later = manifest.chunks[0].key.replace("20260131T", "20260201T")
    namesake = manifest.chunks[0].key.replace("_chunk_001_", "_chunk_009_")
    bucket.objects |= {later: b"a\n1\n", namesake: b"a\n1\n", "flights/_manifests/x.json": b"{}"}
    bucket.metadata[namesake] = {"upload-id": "f" * 32}
    assert verify(manifest, bucket).holds


def test_source_hash_that_no_object_explains_is_a_difference(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    other = manifest.model_copy(update={"source_sha256": "0" * 64, "content_sha256": "0" * 64})
    places = [d.place for d in verify(other, bucket).differences]
    assert places == ["content, SHA-256", "source, SHA-256"]


@pytest.mark.parametrize(
    ("number", "changes", "what"),
    [
        (2, {"byte_start": 90}, "begins at byte 90 of the source"),
        (2, {"row_start": 5}, "begins at row 5; 4 comes next"),
        (2, {"row_count": 9}, "are not 9 rows"),
        (3, {"chunk_id": 4}, "stands in place 3 of the manifest"),
        (3, {"size_bytes": 1}, "1 bytes are not 20 of header and 9 of rows"),
        (1, {"filename": "other.csv"}, "its file name is other.csv"),
    ],
)
def test_manifest_that_contradicts_itself_is_not_believed(
    upload: tuple[Manifest, FakeBucket], number: int, changes: dict[str, object], what: str
) -> None:
    manifest, bucket = upload
    proof = verify(replace_chunk(manifest, number, **changes), bucket)
    assert not proof.holds
    assert any(what in d.what for d in proof.differences), proof.differences


def test_manifest_that_lists_a_chunk_less_is_not_believed(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    short = manifest.model_copy(update={"chunks": manifest.chunks[:-1]})
    found = [str(d) for d in verify(short, bucket).differences]
    assert "manifest: lists 2 chunks, total_chunks is 3" in found
    assert any("the chunks end at row 5 of 6" in each for each in found)
    assert any("not in the manifest" in each for each in found)


def test_same_key_twice_is_not_believed(upload: tuple[Manifest, FakeBucket]) -> None:
    manifest, bucket = upload
    doubled = replace_chunk(manifest, 2, key=manifest.chunks[0].key)
    assert any("2 chunks have the key" in d.what for d in verify(doubled, bucket).differences)
