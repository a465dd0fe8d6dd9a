"""Answers of a store, a cache or a gateway that do not keep to the protocol are not used."""

from __future__ import annotations

import gzip
from collections.abc import Callable

import pytest

from aws.payer import Payer
from contracts.backoff import Backoff
from contracts.errors import SourceChangedError, StoreResponseError
from csvpipe.verify.report import ObjectLostError
from csvpipe.verify.s3_objects import S3Objects
from sequencer.source.open_sources import open_sources
from sequencer.source.s3_object import S3Options
from tests.support.s3.fake_gateway import Answer, Asked, FakeS3Gateway, Spoil, everything, fake_s3_gateway, unpacked

CONTENT = b"id,name\n" + b"".join(b"%d,name of %d\n" % (row, row) for row in range(5000))


def options(gateway: FakeS3Gateway, *, retries: int = 2, payer: Payer = "") -> S3Options:
    """Return options with which small objects are read in many ranges, without a wait between tries."""
    return S3Options(
        connect=gateway.client,
        retries=retries,
        payer=payer,
        first_range_bytes=10_000,
        range_bytes=20_000,
        piece_bytes=3_000,
        backoff=Backoff(0, 0),
    )


def by_sequence(gateway: FakeS3Gateway, key: str = "a.csv") -> bytes:
    (file,) = open_sources([f"s3://b/{key}"], s3=options(gateway))
    with file.open() as pieces:
        return b"".join(pieces)


def by_sequence_prefix(gateway: FakeS3Gateway) -> bytes:
    return by_sequence(gateway, "")


def by_verify(gateway: FakeS3Gateway) -> bytes:
    return b"".join(S3Objects(gateway.client(), bucket="b", address=gateway.url, backoff=Backoff(0, 0)).read("a.csv"))


READERS = {"sequence": by_sequence, "sequence, a prefix": by_sequence_prefix, "verify": by_verify}


def of_get(spoil: Spoil) -> Spoil:
    """Spoil the answers with content of an object, except the first bytes, which show whether it is compressed."""
    return lambda asked, answer: spoil(asked, answer) if answer.status == 206 and asked.end > 4 else answer


def changed(**headers: str | None) -> Spoil:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return of_get(lambda asked, answer: Answer(answer.status, {**answer.headers, **named}, answer.body))


def other_range(shift: int, longer: int, body_longer: int = 0) -> Spoil:
    def spoil(asked: Asked, answer: Answer) -> Answer:
        begin, end = max(0, asked.begin + shift), min(len(asked.content), asked.end + longer)
        body = (asked.content + b"\0" * 100)[begin : end + body_longer]
        told = f"bytes {begin}-{end - 1}/{len(asked.content)}"
        return Answer(206, {**answer.headers, "Content-Range": told, "Content-Length": str(len(body))}, body)

    return of_get(spoil)


def packed_on_the_way(asked: Asked, answer: Answer) -> Answer:
    headers = {**answer.headers, "Content-Encoding": "gzip", "Content-Length": None}
    return Answer(answer.status, headers, gzip.compress(answer.body))


def longer_body(asked: Asked, answer: Answer) -> Answer:
    return Answer(answer.status, {**answer.headers, "Content-Length": None}, answer.body + b"more")


def smaller_in_head(asked: Asked, answer: Answer) -> Answer:
    if asked.method == "HEAD":
        return Answer(answer.status, {**answer.headers, "Content-Length": str(len(asked.content) - 100)})
    if answer.body.startswith(b"<List"):
        size = b"<Size>%d</Size>"
        body = answer.body.replace(size % len(CONTENT), size % (len(CONTENT) - 100))
        return Answer(answer.status, answer.headers, body)
    return answer


def replaced(asked: Asked, answer: Answer) -> Answer:
    """Answer as S3 does after the object was replaced."""
    if answer.status == 206 and asked.end > 4:
        return Answer(412, {}, b"<Error><Code>PreconditionFailed</Code></Error>")
    return answer


def weak_in_get(asked: Asked, answer: Answer) -> Answer:
    if answer.status != 206:
        return answer
    return Answer(206, {**answer.headers, "ETag": f"W/{answer.headers['ETag']}"}, answer.body)


WRONG = {
    "everything, 200": (of_get(everything), "the Range header was ignored"),
    "no Content-Range": (changed(Content_Range=None), "no valid Content-Range"),
    "Content-Range without a total": (changed(Content_Range="bytes 0-9999/*"), "no valid Content-Range"),
    "Content-Range of another unit": (changed(Content_Range="rows 0-9999/100000"), "no valid Content-Range"),
    "another range": (other_range(1, 1), "came"),
    "a shorter range": (other_range(0, -50), "came"),
    "a longer range": (other_range(-50, 50), "came"),
    "another total": (changed(Content_Range="bytes 0-9999/10000"), "came|is of an object of 10000 bytes"),
    "a body shorter than its range": (other_range(0, 0, -50), "Content-Length"),
    "a body longer than its range, told": (other_range(0, 0, 50), "Content-Length"),
    "a body longer than its range, not told": (of_get(longer_body), "more came than the requested bytes"),
    "packed on the way": (of_get(packed_on_the_way), "compressed"),
    "no ETag": (changed(ETag=None), "the answer has no ETag"),
    "an empty ETag": (changed(ETag='""'), "the answer has no ETag"),
    "another status": (of_get(lambda asked, answer: Answer(203, answer.headers, answer.body)), "status 203"),
    "a size that is not HEAD's": (smaller_in_head, "is of an object of"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("wrong", WRONG)
def test_answer_without_the_requested_bytes_is_not_used(reader: str, wrong: str) -> None:
    spoil, reason = WRONG[wrong]
    if reader == "verify":  # which asks for the whole object: only a resumed read has a range that is not all of it
        spoil = after_a_break(spoil)
    with (
        fake_s3_gateway({"a.csv": CONTENT}, spoil) as gateway,
        pytest.raises(StoreResponseError, match=reason) as raised,
    ):
        READERS[reader](gateway)
    assert getattr(raised.value, "exit_code", None) == 76
    assert "S3_ENDPOINT" in raised.value.detail


def after_a_break(spoil: Spoil) -> Spoil:
    """Let the first body break off, and spoil the next answers."""
    broken: list[Asked] = []

    def breaking(asked: Asked, answer: Answer) -> Answer:
        if answer.status == 206 and not broken:
            broken.append(asked)
            answer = spoil(asked, answer) if asked.method == "HEAD" else answer
            return Answer(answer.status, answer.headers, answer.body[:10_000])
        return spoil(asked, answer)

    return breaking


@pytest.mark.parametrize("reader", READERS)
def test_object_decompressed_by_the_store_is_not_used(reader: str) -> None:
    with (
        fake_s3_gateway({"a.csv": gzip.compress(CONTENT)}, unpacked_listed) as gateway,
        pytest.raises(StoreResponseError, match="were requested, but"),
    ):
        READERS[reader](gateway)


def unpacked_listed(asked: Asked, answer: Answer) -> Answer:
    return unpacked(asked, answer) if asked.key else answer


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "spoil",
    [changed(ETag='"another"'), changed(ETag='W/"another"'), replaced],
    ids=["ETag", "weak ETag", "If-Match"],
)
def test_replaced_object_is_reported_as_such(reader: str, spoil: Spoil) -> None:
    with (
        fake_s3_gateway({"a.csv": CONTENT}, spoil) as gateway,
        pytest.raises((SourceChangedError, ObjectLostError), match="was replaced"),
    ):
        READERS[reader](gateway)


def weak(asked: Asked, answer: Answer) -> Answer:
    """Make every ETag weak, and refuse If-Match, as RFC 9110 requires for weak ones."""
    if "If-Match" in asked.headers:
        return Answer(412, {}, b"<Error><Code>PreconditionFailed</Code></Error>")
    body = answer.body.replace(b"<ETag>", b"<ETag>W/")
    etag = answer.headers.get("ETag")
    headers = {**answer.headers, "ETag": f"W/{etag}"} if etag else answer.headers
    return Answer(answer.status, headers, body)


RIGHT: dict[str, Spoil] = {
    "as S3": lambda asked, answer: answer,
    "weak ETags": weak,
    "weak ETag of GET": weak_in_get,
    "no Content-Length": changed(Content_Length=None),
    "compressed before the upload": lambda asked, answer: encoded(asked, answer, "gzip"),
    "stored in chunks": lambda asked, answer: encoded(asked, answer, "aws-chunked"),
}


def encoded(asked: Asked, answer: Answer, encoding: str) -> Answer:
    return Answer(answer.status, {**answer.headers, "Content-Encoding": encoding}, answer.body) if asked.key else answer


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", RIGHT)
def test_answers_that_keep_to_the_protocol_are_used(reader: str, kind: str) -> None:
    with fake_s3_gateway({"a.csv": CONTENT}, RIGHT[kind]) as gateway:
        assert READERS[reader](gateway) == CONTENT


@pytest.mark.parametrize("reader", READERS)
def test_whole_object_may_come_with_200(reader: str) -> None:
    with fake_s3_gateway({"a.csv": b"id\n"}, everything) as gateway:
        assert READERS[reader](gateway) == b"id\n"


@pytest.mark.parametrize("reader", READERS)
def test_body_that_breaks_off_is_resumed_at_its_byte(reader: str) -> None:
    def breaking(asked: Asked, answer: Answer) -> Answer:
        return Answer(answer.status, answer.headers, answer.body[:7001]) if answer.status == 206 else answer

    with fake_s3_gateway({"a.csv": CONTENT}, breaking) as gateway:
        assert READERS[reader](gateway) == CONTENT
        assert any(asked.begin % 1000 for asked in gateway.asked)


@pytest.mark.parametrize("etag", [None, "", '""', "W/"])
@pytest.mark.parametrize("reader", READERS)
def test_object_without_an_etag_is_refused(reader: str, etag: str | None) -> None:
    def spoil(asked: Asked, answer: Answer) -> Answer:
        body = b"".join(part.partition(b"</ETag>")[2] or part for part in answer.body.split(b"<ETag>"))
        listing = answer.body.startswith(b"<List")
        return Answer(answer.status, {**answer.headers, "ETag": etag}, body if listing else answer.body)

    with (
        fake_s3_gateway({"a.csv": CONTENT}, spoil) as gateway,
        pytest.raises(StoreResponseError, match="has no ETag"),
    ):
        READERS[reader](gateway)


@pytest.mark.parametrize("reader", READERS)
def test_requester_pays_in_every_request(reader: str) -> None:
    readers: dict[str, Callable[[FakeS3Gateway], object]] = {
        "sequence": lambda gateway: open_sources(["s3://b/a.csv"], s3=options(gateway, payer="requester")),
        "sequence, a prefix": lambda gateway: open_sources(["s3://b/"], s3=options(gateway, payer="requester")),
        "verify": lambda gateway: verify_all(S3Objects(gateway.client(), bucket="b", address="", payer="requester")),
    }
    with fake_s3_gateway({"a.csv": b"id\n1\n"}) as gateway:
        opened = readers[reader](gateway)
        for file in opened if isinstance(opened, list) else ():
            with file.open() as pieces:
                list(pieces)
        assert {asked.headers.get("x-amz-request-payer") for asked in gateway.asked} == {"requester"}
        assert {asked.method for asked in gateway.asked} >= {"GET"}


def verify_all(objects: S3Objects) -> None:
    assert [*objects.keys("")] == ["a.csv"]
    assert objects.stat("a.csv") is not None
    assert b"".join(objects.read("a.csv")) == b"id\n1\n"
