"""The fake of the uploader's download route: nothing of it is left for the next test."""

from __future__ import annotations

from http.client import HTTPConnection
from urllib.parse import urlsplit

from tests.support.nifi.fake_chunk_source import fake_chunk_source


def test_kept_connection_ends_with_the_source() -> None:
    with fake_chunk_source() as source:
        path = source.path_of(source.offer(b"id\n1\n"))
        client = HTTPConnection(urlsplit(source.base).netloc, timeout=60)
        client.request("GET", path)
        assert client.getresponse().read() == b"id\n1\n"
        kept = client.sock
    assert kept.recv(1) == b""
    client.close()
