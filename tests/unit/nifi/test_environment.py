"""Environments: values from the file, secrets from variables, and patterns for the addresses of chunks."""

from __future__ import annotations

import re
from base64 import b64encode
from pathlib import Path

import pytest

from contracts.errors import SettingsError
from nifi.definition import context_parameters, load_flow, with_scheduling
from nifi.encryption import KEY, STRATEGY, check_encryption
from nifi.environment import environment_names, load_environment
from nifi.errors import EnvironmentFileError
from nifi.listen_tls import LISTEN_TLS
from tests.support.signatures import FAKE_SIGNATURE

PATH = f"/chunks/{'0' * 32}/17/download/{FAKE_SIGNATURE}"


@pytest.mark.parametrize("name", environment_names())
def test_environment_has_every_parameter_of_the_flow(name: str) -> None:
    environment = load_environment(name, environ={})
    declared = {p["name"]: p["sensitive"] for p in context_parameters(load_flow())}
    assert environment.parameters.keys() | environment.variables.keys() | {LISTEN_TLS, STRATEGY, KEY} == declared.keys()
    assert not [name for name, sensitive in declared.items() if sensitive and name not in {*environment.variables, KEY}]
    for kept in (LISTEN_TLS, STRATEGY):
        assert kept not in environment.parameters, (
            "a repeated deployment would undo --tls-..., --no-tls or S3_ENCRYPTION"
        )
    with_scheduling(load_flow(), environment.scheduling)


def test_secret_comes_from_its_variable() -> None:
    environment = load_environment("local", environ={"AWS_SECRET_ACCESS_KEY": "s3cret", "AWS_ACCESS_KEY_ID": ""})
    assert environment.parameters["s3.secret.key"] == "s3cret"
    assert "s3.access.key" not in environment.parameters, "an empty variable is not a value"
    assert "s3cret" not in repr(environment)


def test_value_can_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.write_text("s3cret\n")
    environ = {"AWS_SECRET_ACCESS_KEY_FILE": str(path)}
    assert load_environment("local", environ=environ).parameters["s3.secret.key"] == "s3cret"
    for wrong in ({**environ, "AWS_SECRET_ACCESS_KEY": "x"}, {"AWS_SECRET_ACCESS_KEY_FILE": str(tmp_path / "none")}):
        with pytest.raises(SettingsError, match="AWS_SECRET_ACCESS_KEY_FILE"):
            load_environment("local", environ=wrong)


CUSTOMER_KEY = b64encode(bytes(32)).decode()


@pytest.mark.parametrize(
    ("variables", "parameters"),
    [
        ({}, {}),
        ({"S3_ENCRYPTION": "none"}, {STRATEGY: "NONE"}),
        ({"S3_ENCRYPTION": "sse-s3"}, {STRATEGY: "SSE_S3"}),
        ({"S3_ENCRYPTION": "sse-kms", "S3_KMS_KEY_ID": "alias/raw"}, {STRATEGY: "SSE_KMS", KEY: "alias/raw"}),
        ({"S3_ENCRYPTION": "sse-c", "S3_SSE_C_KEY": CUSTOMER_KEY}, {STRATEGY: "SSE_C", KEY: CUSTOMER_KEY}),
        ({"S3_ENCRYPTION": "sse-c"}, {STRATEGY: "SSE_C"}),
    ],
    ids=["unset", "none", "sse-s3", "sse-kms", "sse-c", "sse-c-with-the-key-that-nifi-has"],
)
def test_encryption_comes_from_its_variables(variables: dict[str, str], parameters: dict[str, str]) -> None:
    found = load_environment("local", environ=variables).parameters
    assert {name: value for name, value in found.items() if name in {STRATEGY, KEY}} == parameters


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"S3_ENCRYPTION": "aes"}, "S3_ENCRYPTION"),
        ({"S3_SSE_C_KEY": CUSTOMER_KEY}, "S3_SSE_C_KEY"),
        ({"S3_ENCRYPTION": "sse-c", "S3_SSE_C_KEY": "short"}, "S3_SSE_C_KEY"),
    ],
)
def test_wrong_encryption_is_named(variables: dict[str, str], named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        load_environment("local", environ=variables)


@pytest.mark.parametrize("strategy", ["SSE_KMS", "SSE_C"])
def test_encryption_with_a_key_needs_https(strategy: str) -> None:
    check_encryption(strategy=strategy, endpoint="https://minio:9000")
    with pytest.raises(SettingsError, match=r"s3\.endpoint"):
        check_encryption(strategy=strategy, endpoint="http://minio:9000")


def test_numbers_in_the_file_become_text() -> None:
    assert load_environment("local", environ={}).parameters["listen.port"] == "10000"


@pytest.mark.parametrize(
    ("name", "good"),
    [
        ("local", [f"http://127.0.0.1:8000{PATH}", f"http://localhost{PATH}"]),
        (
            "hanoi",
            [
                f"https://fastapi-csv-uploader-{n}.fastapi-csv-uploader-replicas.csv-ingestion.svc.cluster.local:8000{PATH}"
                for n in (0, 12)
            ],
        ),
    ],
)
def test_source_pattern_allows_the_uploader(name: str, good: list[str]) -> None:
    pattern = re.compile(load_environment(name, environ={}).parameters["source.url.pattern"])
    assert [address for address in good if not pattern.fullmatch(address)] == []


@pytest.mark.parametrize("name", environment_names())
@pytest.mark.parametrize(
    "address",
    [
        f"http://example.org{PATH}",
        f"http://127.0.0.1:8000@example.org{PATH}",
        f"http://fastapi-csv-uploader-0@example.org{PATH}",
        f"http://example.org/?http://127.0.0.1{PATH}",
        "http://127.0.0.1:8000/chunks/../../nifi-api/flow/about",
        f"http://127.0.0.1:8000{PATH}?x=/../",
        f"file:///etc/passwd#{PATH}",
        "http://169.254.169.254/latest/meta-data/",
    ],
)
def test_source_pattern_refuses_other_addresses(name: str, address: str) -> None:
    pattern = re.compile(load_environment(name, environ={}).parameters["source.url.pattern"])
    assert not pattern.fullmatch(address)


def test_unknown_environment_names_the_known_ones() -> None:
    with pytest.raises(EnvironmentFileError, match="hanoi, local"):
        load_environment("mars")


@pytest.mark.parametrize("text", ["url: ftp://x", "url: http://x\nparametres: {}", "url: [", "- a"])
def test_invalid_environment_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.yaml").write_text(text)
    with pytest.raises(EnvironmentFileError, match=r"odd\.yaml"):
        load_environment("odd", directory=tmp_path)
