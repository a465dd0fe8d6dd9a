from __future__ import annotations

import json
from typing import Any

import pytest

from contracts.errors import InvalidMessageError
from dags.modules.allowed_hosts import parse_allowed_hosts
from dags.modules.errors import ConfigurationError
from dags.modules.validators import base_url, validate_value
from tests.support.dags.fake_uploader import FakeUploader
from tests.support.signatures import FAKE_SIGNATURE

UPLOAD = "0123456789abcdef" * 2
ALLOWED = parse_allowed_hosts(
    "http://uploader:8000, http://10.0.0.1, http://*.pods.local:8000, http://[::1]:8000, https://safe"
)
GOOD_ENDPOINT = f"http://uploader:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}"


def message_with(**changes: Any) -> bytes:
    fake = FakeUploader()
    (message,) = fake.add_upload(UPLOAD)
    fake.close()
    return json.dumps({**message.model_dump(mode="json"), "api_endpoint": GOOD_ENDPOINT, **changes}).encode()


def test_valid_message_has_the_uploaders_address() -> None:
    message = validate_value(message_with(), allowed=ALLOWED, bucket="raw")
    assert base_url(message) == "http://uploader:8000"


def test_reverse_proxy_prefix_must_be_on_the_list() -> None:
    allowed = parse_allowed_hosts("https://Gateway/Csv/v1")
    endpoint = f"https://gateway/Csv/v1/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}"
    message = validate_value(message_with(api_endpoint=endpoint), allowed=allowed, bucket="raw")
    assert base_url(message) == "https://gateway/Csv/v1"
    for other in ("", "/csv/v1", "/Csv", "/Csv/v1/", "/Csv/v1/more", "/Csv/v1/..;"):
        with pytest.raises(InvalidMessageError, match="not in the Variable"):
            validate_value(message_with(api_endpoint=endpoint.replace("/Csv/v1", other)), allowed=allowed, bucket="raw")


@pytest.mark.parametrize(
    "prefix", ["/..;", "/csv", "/", "/.", "/;x=1", "/csv;x", "/%2e%2e;", "//uploader", "/chunks/x", "/a/..;/b", "/*"]
)
def test_unlisted_path_before_chunks_is_refused(prefix: str) -> None:
    endpoint = f"http://uploader:8000{prefix}/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}"
    with pytest.raises(InvalidMessageError, match="api_endpoint"):
        validate_value(message_with(api_endpoint=endpoint), allowed=ALLOWED, bucket="raw")


@pytest.mark.parametrize(
    "endpoint",
    [
        f"http://10.0.0.1/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}",
        f"http://uploader-0.pods.local:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}",
        f"http://[::1]:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}",
        f"HTTP://UPLOADER:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}",
    ],
)
def test_listed_addresses_are_accepted(endpoint: str) -> None:
    assert validate_value(message_with(api_endpoint=endpoint), allowed=ALLOWED, bucket="raw").api_endpoint == endpoint


@pytest.mark.parametrize(
    ("endpoint", "why"),
    [
        (f"http://169.254.169.254/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        (f"https://uploader:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        (f"http://safe/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        (f"http://safe:443/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        (f"https://safe:8443/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        (f"http://10.0.0.1:0/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        (f"http://10.0.0.1:9999/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        (f"http://uploader:9000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        (f"http://pods.local:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        *(
            (f"http://{host}.pods.local:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable")
            for host in ("evil.com%2f", "%00", "", ".", "a.", "*", "a" * 64, ".".join("a" * 60 for _ in range(5)), "-a")
        ),
        (f"http://evilpods.local:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        (f"http://uploader:8000@evil/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "must not have a user"),
        (f"http://evil\\@uploader:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "characters"),
        (f"http://uploader:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}\n", "api_endpoint"),
        (f"file://uploader:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "http or https"),
        (f"gopher://uploader/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "http or https"),
        (f"http://uploader:8000/chunks/{UPLOAD}/2/download/{FAKE_SIGNATURE}", "must end in"),
        (f"http://uploader:8000/chunks/{'f' * 32}/1/download/{FAKE_SIGNATURE}", "must end in"),
        (f"http://uploader:8000/admin?/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "query"),
        (f"http://uploader:8000/admin#/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "fragment"),
        (f"http://uploader:8000/x/../chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        (f"http://uploader:8000/%2e%2e/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not in the Variable"),
        (f"http://uploader:99999/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "not a valid URL"),
        (f"//uploader:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "http or https"),
        (f"http://uploader:8000/chunks/{UPLOAD}/1/download", "api_endpoint"),
        (f"http://uploader:8000/chunks/{UPLOAD}/1/download/v1.1.x.y", "api_endpoint"),
        (f"http://uplöader:8000/chunks/{UPLOAD}/1/download/{FAKE_SIGNATURE}", "characters"),
        ("", "api_endpoint"),
    ],
)
def test_unlisted_addresses_are_refused_with_the_reason(endpoint: str, why: str) -> None:
    with pytest.raises(InvalidMessageError, match=why):
        validate_value(message_with(api_endpoint=endpoint), allowed=ALLOWED, bucket="raw")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"file_path": "s3://raw/other/x.csv"}, "file_path"),
        ({"file_path": "s3://secrets/flights/flights_chunk_001_20260131T235959123456Z.csv"}, "file_path"),
        ({"dataset_name": "other"}, "filename"),
        ({"filename": "..", "file_path": "s3://raw/flights/.."}, "filename"),
        ({"filename": "flights_chunk_002_20260131T235959123456Z.csv"}, "filename"),
        ({"sha256": "nothing"}, "sha256"),
        ({"version": "2.0"}, "version"),
    ],
)
def test_contradicting_fields_are_refused(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(InvalidMessageError, match=why):
        validate_value(message_with(**changes), allowed=ALLOWED, bucket="raw")


@pytest.mark.parametrize("value", [None, b"", b"not json", b"[]", b"\xff\xfe", b"null"])
def test_invalid_value_is_refused(value: bytes | None) -> None:
    with pytest.raises(InvalidMessageError):
        validate_value(value, allowed=ALLOWED, bucket="raw")


@pytest.mark.parametrize("text", [None, "", " , "])
def test_empty_allow_list_names_the_variable(text: str | None) -> None:
    with pytest.raises(ConfigurationError, match="csv_ingestion_allowed_hosts"):
        parse_allowed_hosts(text)


@pytest.mark.parametrize(
    "entry",
    [
        "uploader:8000",
        "ftp://uploader:8000",
        "//uploader:8000",
        "https://",
        "https://uploader:port",
        "https://*",
        "https://*.*.x",
        "https://a b",
        "https://user@uploader",
        "https://uploader:8000/",
        "https://uploader:8000/..;",
        "https://u/a//b",
        "https://u:1/%2e",
        "https://u:1?x",
    ],
)
def test_invalid_allow_list_entry_is_named(entry: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_allowed_hosts(f"https://ok:1,{entry}")
    assert repr(entry) in str(caught.value)
