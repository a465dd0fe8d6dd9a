"""A fake S3 server on a free port. It follows the protocol, and breaks it on request, as gateways do."""

from __future__ import annotations

import gzip
import hashlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import boto3
from botocore.config import Config
from mypy_boto3_s3.client import S3Client


@dataclass
class Answer:
    """An answer as it goes out; a header that is None is left out."""

    status: int
    headers: dict[str, str | None] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Asked:
    """A request: its method, key, query, headers, and the content and range that it is for."""

    method: str
    key: str
    query: dict[str, list[str]]
    headers: dict[str, str]
    content: bytes = b""
    begin: int = 0
    end: int = 0


Spoil = Callable[[Asked, Answer], Answer]


def error_answer(status: int, code: str, message: str = "what the store says") -> Answer:
    """Return an error as S3 has it."""
    body = f"<Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()
    return Answer(status, {"Content-Type": "application/xml"}, body)


@dataclass
class FakeS3Gateway:
    """One bucket, ``b``; ``spoil`` may alter every answer, and ``asked`` keeps the requests."""

    objects: dict[str, bytes] = field(default_factory=dict)
    spoil: Spoil = lambda asked, answer: answer
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    def client(self) -> S3Client:
        """Return a client of it that retries nothing by itself."""
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}),
        )

    def answer(self, method: str, target: str, headers: dict[str, str]) -> Answer:
        """Return what goes out for a request."""
        address = urlsplit(target)
        bucket, _, key = unquote(address.path).lstrip("/").partition("/")
        query = parse_qs(address.query, keep_blank_values=True)
        if not key:
            asked = Asked(method, "", query, headers)
            right = self._listing(query) if bucket == "b" else error_answer(404, "NoSuchBucket")
        elif bucket != "b" or key not in self.objects:
            asked, right = Asked(method, key, query, headers), error_answer(404, "NoSuchKey")
        else:
            asked, right = self._object(method, key, query, headers)
        self.asked.append(asked)
        answer = self.spoil(asked, right)
        return Answer(answer.status, answer.headers) if method == "HEAD" else answer

    def _object(
        self, method: str, key: str, query: dict[str, list[str]], headers: dict[str, str]
    ) -> tuple[Asked, Answer]:
        content = self.objects[key]
        etag = etag_of(content)
        if headers.get("If-Match", etag) != etag:
            return Asked(method, key, query, headers, content), error_answer(412, "PreconditionFailed")
        told: dict[str, str | None] = {"ETag": etag, "Content-Length": str(len(content))}
        if "Range" not in headers:
            return Asked(method, key, query, headers, content, 0, len(content)), Answer(200, told, content)
        first, _, last = headers["Range"].removeprefix("bytes=").partition("-")
        begin, end = int(first), min(int(last or len(content)) + 1, len(content))
        told |= {"Content-Range": f"bytes {begin}-{end - 1}/{len(content)}", "Content-Length": str(end - begin)}
        return Asked(method, key, query, headers, content, begin, end), Answer(206, told, content[begin:end])

    def _listing(self, query: dict[str, list[str]]) -> Answer:
        prefix = query.get("prefix", [""])[0]
        entries = "".join(
            f"<Contents><Key>{escape(key)}</Key><Size>{len(content)}</Size><ETag>{escape(etag_of(content))}</ETag></Contents>"
            for key, content in sorted(self.objects.items())
            if key.startswith(prefix)
        )
        return Answer(200, {}, f"<ListBucketResult>{entries}</ListBucketResult>".encode())


def etag_of(content: bytes) -> str:
    """Return the ETag of an object that was put in one piece."""
    return f'"{hashlib.md5(content, usedforsecurity=False).hexdigest()}"'


def everything(asked: Asked, answer: Answer) -> Answer:
    """Do not honour a range: 200, with the whole object."""
    if answer.status != 206:
        return answer
    headers = {**answer.headers, "Content-Range": None, "Content-Length": str(len(asked.content))}
    return Answer(200, headers, asked.content)


def unpacked(asked: Asked, answer: Answer) -> Answer:
    """Unpack what is stored packed, as Google's store does, which takes no notice of ranges then."""
    if asked.method == "HEAD":
        return Answer(answer.status, {**answer.headers, "Content-Encoding": "gzip"})
    headers = {"ETag": answer.headers["ETag"], "Warning": "214 UploadServer gunzipped"}
    return Answer(200, headers, gzip.decompress(asked.content))


@contextmanager
def fake_s3_gateway(objects: dict[str, bytes], spoil: Spoil | None = None) -> Iterator[FakeS3Gateway]:
    """Serve ``objects`` as the bucket ``b`` until the block ends."""
    gateway = FakeS3Gateway(objects, spoil or (lambda asked, answer: answer))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = gateway.answer(self.command, self.path, dict(self.headers.items()))
            self.send_response(answer.status)
            given = {"Content-Length": None} if "Content-Length" in answer.headers else {}
            for name, value in ({"Content-Length": str(len(answer.body))} | given | answer.headers).items():
                if value is not None:
                    self.send_header(name, value)
            self.send_header("Connection", "close")
            with suppress(ConnectionError):  # a client may be killed meanwhile
                self.end_headers()
                self.wfile.write(answer.body)

        do_HEAD = do_GET  # noqa: N815  the base class calls it

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the base class names it
            """Log nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    gateway.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield gateway
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
