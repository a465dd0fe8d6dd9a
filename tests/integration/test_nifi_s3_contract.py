"""The contract of PutS3Object: observed on Apache's 2.3.0, and tested on Apache's NAR or the stand-in."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.message import ChunkMessage
from contracts.names import BYTES_PER_MB, object_key
from nifi.definition import load_flow
from nifi.errors import InvalidFlowError
from tests.support.nifi.fake_chunk_source import FakeChunkSource
from tests.support.nifi.server import QUICK, NiFiServer

PUT = "Put the object"
ENCRYPTION = "S3 encryption"
APACHE_DEFAULTS: dict[str, str | None] = {
    "Bucket": "${s3.bucket}",
    "Object Key": "${filename}",
    "Region": "us-west-2",
    "AWS Credentials Provider service": None,
    "Resource Transfer Source": "FLOWFILE_CONTENT",
    "File Resource Service": None,
    "Storage Class": "Standard",
    "encryption-service": None,
    "server-side-encryption": "None",
    "Content Type": None,
    "Content Disposition": None,
    "Cache Control": None,
    "s3-object-tags-prefix": None,
    "s3-object-remove-tags-prefix": "false",
    "Communications Timeout": "30 secs",
    "Expiration Time Rule": None,
    "FullControl User List": "${s3.permissions.full.users}",
    "Read Permission User List": "${s3.permissions.read.users}",
    "Write Permission User List": "${s3.permissions.write.users}",
    "Read ACL User List": "${s3.permissions.readacl.users}",
    "Write ACL User List": "${s3.permissions.writeacl.users}",
    "Owner": "${s3.owner}",
    "canned-acl": "${s3.permissions.cannedacl}",
    "SSL Context Service": None,
    "Endpoint Override URL": None,
    "Signer Override": "Default Signature",
    "custom-signer-class-name": None,
    "custom-signer-module-location": None,
    "Multipart Threshold": "5 GB",
    "Multipart Part Size": "5 GB",
    "Multipart Upload AgeOff Interval": "60 min",
    "Multipart Upload Max Age Threshold": "7 days",
    "s3-temporary-directory-multipart": "${java.io.tmpdir}",
    "use-chunked-encoding": "true",
    "use-path-style-access": "false",
    "proxy-configuration-service": None,
}
"""The properties of Apache's PutS3Object, from its source at 2.3.0."""
GIVES_UP = {**QUICK, "Put the object": {**QUICK["Put the object"], "retryCount": 1}}


@pytest.fixture
def giving_up(nifi: NiFiServer) -> Iterator[NiFiServer]:
    """Return NiFi with limited S3 retries, so that the failure attributes can be seen."""
    try:
        nifi.deploy(scheduling=GIVES_UP)
        yield nifi
    finally:
        nifi.deploy()


@pytest.fixture(scope="module")
def deployed_again(nifi: NiFiServer) -> Iterator[NiFiServer]:
    """Give NiFi for flows that are refused; the right one is deployed again after the last of them."""
    yield nifi
    nifi.deploy()


def _attributes(line: str) -> dict[str, str]:
    """Return the attributes of a line that LogAttribute wrote."""
    return dict(re.findall(r"([\w.-]+)=(.*?)(?:, (?=[\w.-]+=)|}$)", line))


def _landed(nifi: NiFiServer, message: ChunkMessage) -> dict[str, str]:
    return _attributes(nifi.wait_logged("s3.etag=", f"chunk.upload_id={message.upload_id}")[0])


def test_single_part_upload_sets_attributes(nifi: NiFiServer, source: FakeChunkSource) -> None:
    content = b"id\n1\n"
    message = source.offer(content, dataset="contract")

    nifi.send(message)

    attributes = _landed(nifi, message)
    assert attributes["s3.apimethod"] == "putobject"
    assert attributes["s3.bucket"] == "raw"
    assert attributes["s3.key"] == object_key("contract", message.filename)
    assert attributes["s3.etag"] == hashlib.md5(content).hexdigest()
    assert attributes["s3.storeClass"] == "STANDARD"
    assert attributes["s3.url"] == f"{nifi.minio.endpoint}/raw/contract/{message.filename}"


def test_multipart_upload_sets_attributes(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(bytes(110 * BYTES_PER_MB), dataset="contract")

    nifi.send(message)

    attributes = _landed(nifi, message)
    assert attributes["s3.apimethod"] == "multipartupload"
    assert attributes["s3.etag"].endswith("-3")
    assert attributes["s3.uploadId"]


@pytest.mark.parametrize(
    ("wrong", "status", "code"),
    [
        ({"s3.bucket": "no-such-bucket"}, "404", "NoSuchBucket"),
        ({"s3.secret.key": "wrong"}, "403", "SignatureDoesNotMatch"),
    ],
    ids=["bucket", "secret"],
)
def test_s3_refusal_sets_attributes(
    giving_up: NiFiServer, source: FakeChunkSource, wrong: dict[str, str], status: str, code: str
) -> None:
    giving_up.deploy(parameters={**giving_up.parameters(), **wrong}, scheduling=GIVES_UP)
    message = source.offer(b"id\n1\n", dataset="contract")

    giving_up.send(message)

    attributes = _attributes(giving_up.wait_failed(message, "s3_failed"))
    assert (attributes["s3.statusCode"], attributes["s3.errorCode"]) == (status, code)
    assert attributes["s3.exception"] == "com.amazonaws.services.s3.model.AmazonS3Exception"
    assert attributes["s3.errorMessage"]
    assert not {"s3.bucket", "s3.etag"} & attributes.keys()


def test_unavailable_s3_sets_attributes(giving_up: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(b"id\n1\n", dataset="contract")
    giving_up.minio.stop()
    try:
        giving_up.send(message)
        attributes = _attributes(giving_up.wait_failed(message, "s3_failed"))
    finally:
        giving_up.minio.start()

    assert attributes["s3.exception"] == "com.amazonaws.SdkClientException"
    assert not {"s3.statusCode", "s3.errorCode"} & attributes.keys()


def test_encryption_strategy_is_an_attribute(nifi: NiFiServer, source: FakeChunkSource) -> None:
    message = source.offer(b"id\n1\n", dataset="contract")

    nifi.send(message)

    assert _landed(nifi, message)["s3.encryptionStrategy"] == "NONE"


NO_KEY = "#{s3.secret.key}"
"""A sensitive value that is not a key."""


@pytest.mark.parametrize(
    ("strategy", "key"),
    [
        ("CSE_KMS", None),
        ("NONE", NO_KEY),
        ("SSE_S3", NO_KEY),
        ("SSE_KMS", None),
        ("SSE_C", None),
        ("SSE_C", NO_KEY),
        ("ZIP", None),
    ],
)
def test_encryption_refused_by_the_service_is_refused(
    deployed_again: NiFiServer, tmp_path: Path, strategy: str, key: str | None
) -> None:
    flow = load_flow()
    service = next(s for s in flow["flowContents"]["controllerServices"] if s["name"] == ENCRYPTION)
    service["properties"] = {"encryption-strategy": strategy, **({"key-id-or-key-material": key} if key else {})}
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(flow))
    with pytest.raises(InvalidFlowError, match=ENCRYPTION):
        deployed_again.deploy(flow_file=path)


def test_encryption_service_has_apaches_properties(nifi: NiFiServer) -> None:
    group_id = nifi.client().find_group("csv-ingestion-raw-to-minio")
    url = f"{nifi.url}/nifi-api/flow/process-groups/{group_id}/controller-services"
    answer = httpx.get(url, trust_env=False, timeout=30).raise_for_status().json()
    (found,) = [s["component"] for s in answer["controllerServices"] if s["component"]["name"] == ENCRYPTION]
    described = found["descriptors"]
    assert {name: (d.get("defaultValue"), d["sensitive"]) for name, d in described.items()} == {
        "encryption-strategy": ("NONE", False),
        "key-id-or-key-material": (None, True),
        "kms-region": ("us-west-2", False),
    }
    allowed = [value["allowableValue"]["value"] for value in described["encryption-strategy"]["allowableValues"]]
    assert allowed == ["NONE", "SSE_S3", "SSE_KMS", "SSE_C", "CSE_KMS", "CSE_C"]


def _put_properties(nifi: NiFiServer) -> dict[str, dict[str, Any]]:
    """Return the descriptors of the deployed PutS3Object, by name."""
    group_id = nifi.client().find_group("csv-ingestion-raw-to-minio")
    answer = httpx.get(f"{nifi.url}/nifi-api/process-groups/{group_id}/processors", trust_env=False, timeout=30)
    (put,) = [p["component"] for p in answer.raise_for_status().json()["processors"] if p["component"]["name"] == PUT]
    return dict(put["config"]["descriptors"])


def test_properties_and_their_defaults_are_apaches(nifi: NiFiServer) -> None:
    found = {n: d.get("defaultValue") for n, d in _put_properties(nifi).items() if not d.get("dynamic")}
    assert found == APACHE_DEFAULTS


def test_allowable_values_are_apaches(nifi: NiFiServer) -> None:
    properties = _put_properties(nifi)
    allowed = {
        name: [value["allowableValue"]["value"] for value in descriptor.get("allowableValues") or []]
        for name, descriptor in properties.items()
    }
    assert {"us-east-1", "eu-central-1", "cn-north-1", "attribute-defined-region"} <= set(allowed["Region"])
    assert allowed["server-side-encryption"] == ["None", "AES256"]
    assert {"Standard", "Glacier", "IntelligentTiering"} <= set(allowed["Storage Class"])
    assert allowed["Content Disposition"] == ["inline", "attachment"]
    signers = ["Default Signature", "AWSS3V4SignerType", "S3SignerType", "CustomSignerType"]
    assert allowed["Signer Override"] == signers


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Region", "nowhere-1"),
        ("Region", ""),
        ("Endpoint Override URL", "127.0.0.1:9000"),
        ("Endpoint Override URL", "minio"),
        ("Endpoint Override URL", "minio:9000"),
        ("Bucket", ""),
        ("Object Key", ""),
        ("Content Type", ""),
        ("Communications Timeout", "soon"),
        ("Multipart Part Size", "49 MB"),
        ("Multipart Threshold", "6 GB"),
        ("Multipart Upload Max Age Threshold", "7"),
        ("s3-temporary-directory-multipart", "/no/such/directory"),
        ("Storage Class", "Attic"),
        ("server-side-encryption", "aws:kms"),
        ("use-path-style-access", "maybe"),
        ("upload-id", ""),
    ],
)
def test_value_refused_by_apaches_processor_is_refused(
    deployed_again: NiFiServer, tmp_path: Path, name: str, value: str
) -> None:
    flow = load_flow()
    put = next(p for p in flow["flowContents"]["processors"] if p["name"] == PUT)
    put["properties"][name] = value
    put["propertyDescriptors"].setdefault(
        name, {"name": name, "displayName": name, "identifiesControllerService": False, "sensitive": False}
    )
    path = tmp_path / "flow.json"
    path.write_text(json.dumps(flow))
    with pytest.raises(InvalidFlowError, match=PUT):
        deployed_again.deploy(flow_file=path)
