"""What a job asks an object store for."""

from __future__ import annotations

from sequencer.source.decoding import read_header
from sequencer.source.open_sources import open_sources
from sequencer.source.s3_object import S3Options
from tests.support.s3.fake_gateway import fake_s3_gateway

ROWS = b"id;name\n" + b"".join(b"%d;name of %d\n" % (row, row) for row in range(500_000))


def test_header_and_delimiter_are_read_with_one_get() -> None:
    with fake_s3_gateway({"a.csv": ROWS}) as gateway:
        (file,) = open_sources(["s3://b/a.csv"], s3=S3Options(connect=gateway.client, retries=0))
        assert file.compressed is False
        probes = len(gateway.asked)
        assert read_header(file).columns == ("id", "name")
    assert [asked.begin for asked in gateway.asked[probes:]] == [0]
