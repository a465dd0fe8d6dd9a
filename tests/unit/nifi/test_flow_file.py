"""Properties of the committed flow definition."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from contracts.names import (
    HEADER_OBJECT_KEY,
    HEADER_SHA256,
    HEADER_SIZE_BYTES,
    METADATA_SHA256,
    METADATA_UPLOAD_ID,
    NIFI_PARAMETER_CONTEXT,
    NIFI_PROCESS_GROUP,
    object_key,
)
from contracts.traceparent import TRACEPARENT
from nifi.definition import (
    FLOW_FILE,
    Json,
    context_name,
    context_parameters,
    group_name,
    load_flow,
    normalise_export,
    referenced_parameters,
)
from nifi.listen_tls import LISTEN_TLS, ListenTls, with_listen_tls

PLAN = {
    "ListenHTTP",
    "EvaluateJsonPath",
    "InvokeHTTP",
    "CryptographicHashContent",
    "RouteOnAttribute",
    "UpdateAttribute",
    "PutS3Object",
    "LogAttribute",
    "RetryFlowFile",
}
RELATIONSHIPS = {
    "ListenHTTP": {"success"},
    "EvaluateJsonPath": {"failure", "matched", "unmatched"},
    "InvokeHTTP": {"Failure", "No Retry", "Original", "Response", "Retry"},
    "CryptographicHashContent": {"failure", "success"},
    "RouteOnAttribute": {"matched", "unmatched"},
    "UpdateAttribute": {"success"},
    "PutS3Object": {"failure", "success"},
    "LogAttribute": {"success"},
    "RetryFlowFile": {"failure", "retries_exceeded", "retry"},
}


@pytest.fixture(scope="module")
def flow() -> Json:
    return load_flow()


def _processors(flow: Json, kind: str) -> list[Json]:
    return [p for p in flow["flowContents"]["processors"] if p["type"].endswith(f".{kind}")]


def _one(flow: Json, kind: str) -> Json:
    (found,) = _processors(flow, kind)
    return found


def _leads_to(flow: Json, name: str) -> dict[str, str]:
    """Return the destination of each relationship of the processor ``name``."""
    return {
        relationship: connection["destination"]["name"]
        for connection in flow["flowContents"]["connections"]
        if connection["source"]["name"] == name
        for relationship in connection["selectedRelationships"]
    }


def test_names_match_the_contracts(flow: Json) -> None:
    assert group_name(flow) == NIFI_PROCESS_GROUP
    assert context_name(flow) == NIFI_PARAMETER_CONTEXT
    assert _one(flow, "ListenHTTP")["properties"]["Base Path"] == "csv-ingest"


@pytest.mark.parametrize("attribute", ["s3.permissions.cannedacl", "s3.permissions.full.users", "s3.owner"])
def test_attributes_used_by_apaches_defaults_are_removed(flow: Json, attribute: str) -> None:
    (naming,) = [p for p in _processors(flow, "UpdateAttribute") if p["name"] == "Name the object"]
    deleted = re.compile(naming["properties"]["Delete Attributes Expression"])
    assert deleted.fullmatch(attribute)
    assert not deleted.fullmatch("s3.key")
    assert _leads_to(flow, "Name the object") == {"success": "Put the object"}


def test_flow_has_the_required_processors(flow: Json) -> None:
    assert {p["type"].rsplit(".", 1)[1] for p in flow["flowContents"]["processors"]} == PLAN


def test_update_attribute_processors_are_stateless(flow: Json) -> None:
    """On a restart, NiFi 2.3.0 treats an unset `Store State` as stateful, which makes the processor invalid."""
    found = _processors(flow, "UpdateAttribute")
    assert len(found) == 7
    assert {p["properties"].get("Store State") for p in found} == {"Do not store state"}


def test_every_relationship_is_connected_or_terminated(flow: Json) -> None:
    for processor in flow["flowContents"]["processors"]:
        kind = processor["type"].rsplit(".", 1)[1]
        ended = set(processor["autoTerminatedRelationships"])
        assert ended | _leads_to(flow, processor["name"]).keys() == RELATIONSHIPS[kind], processor["name"]
        assert ended <= {"Original"} or kind == "LogAttribute", processor["name"]


def test_every_end_is_logged_and_failures_as_errors(flow: Json) -> None:
    levels = {p["name"]: p["properties"].get("Log Level", "info") for p in _processors(flow, "LogAttribute")}
    assert levels == {"Log the landing": "info", "Log the failure": "error"}
    reasons = [p for p in _processors(flow, "UpdateAttribute") if "failure.reason" in p["properties"]]
    assert {p["properties"]["failure.reason"] for p in reasons} == {
        "invalid_message",
        "source_failed",
        "message_mismatch",
        "sha256_mismatch",
        "s3_failed",
    }
    assert {_leads_to(flow, p["name"])["success"] for p in reasons} == {"Log the failure"}


def test_only_verified_content_reaches_s3(flow: Json) -> None:
    put = _one(flow, "PutS3Object")["name"]
    into_put = [c["source"]["name"] for c in flow["flowContents"]["connections"] if c["destination"]["name"] == put]
    assert into_put == ["Name the object"]
    into_name = [
        (c["source"]["name"], c["selectedRelationships"])
        for c in flow["flowContents"]["connections"]
        if c["destination"]["name"] == "Name the object"
    ]
    assert into_name == [("Compare with the announced SHA-256", ["matched"])]


def test_message_does_not_set_bucket_or_content_type(flow: Json) -> None:
    put = _one(flow, "PutS3Object")["properties"]
    assert put["Bucket"] == "#{s3.bucket}"
    assert put["Content Type"] == "text/csv"


def test_key_is_compared_with_the_response_of_the_source(flow: Json) -> None:
    (compare,) = [p for p in _processors(flow, "RouteOnAttribute") if p["name"] == "Compare with the source's answer"]
    rules = compare["properties"]
    assert rules["Routing Strategy"] == "Route to 'match' if all match"
    for header in (HEADER_OBJECT_KEY, HEADER_SHA256, HEADER_SIZE_BYTES):
        assert any(f"allMatchingAttributes('(?i){header.lower()}')" in rule for rule in rules.values()), header
    assert _leads_to(flow, "Fetch the chunk")["Response"] == "Compare with the source's answer"
    into_hash = [
        (c["source"]["name"], c["selectedRelationships"])
        for c in flow["flowContents"]["connections"]
        if c["destination"]["name"] == "Hash the content"
    ]
    assert into_hash == [("Compare with the source's answer", ["matched"])]


def test_attributes_and_size_are_checked_before_parsing(flow: Json) -> None:
    assert _leads_to(flow, "Receive chunk messages") == {"success": "Drop foreign attributes"}
    assert _leads_to(flow, "Drop foreign attributes") == {"success": "Check the size"}
    assert _leads_to(flow, "Check the size") == {
        "matched": "Read the message",
        "unmatched": "Reason: not a valid message",
    }


def test_s3_is_retried_forever_with_backoff(flow: Json) -> None:
    put = _one(flow, "PutS3Object")
    assert put["retriedRelationships"] == ["failure"]
    assert put["retryCount"] == 2**31 - 1
    assert put["backoffMechanism"] == "PENALIZE_FLOWFILE"
    assert (put["penaltyDuration"], put["maxBackoffPeriod"]) == ("2 sec", "30 sec")


def test_source_is_retried_and_redirects_are_not_followed(flow: Json) -> None:
    fetch = _one(flow, "InvokeHTTP")
    assert set(fetch["retriedRelationships"]) == {"Failure", "No Retry", "Retry"}
    assert fetch["retryCount"] == 10
    assert fetch["properties"]["Response Redirects Enabled"] == "False"
    assert fetch["properties"].get("HTTP Method", "GET") == "GET", "the file holds no defaults"


def test_trace_header_is_forwarded_and_logged(flow: Json) -> None:
    assert _one(flow, "ListenHTTP")["properties"]["HTTP Headers to receive as Attributes (Regex)"] == TRACEPARENT
    assert _one(flow, "InvokeHTTP")["properties"]["Request Header Attributes Pattern"] == TRACEPARENT
    for log in _processors(flow, "LogAttribute"):
        assert re.fullmatch(log["properties"]["attributes-to-log-regex"], TRACEPARENT)


def test_parameters_alone_decide_how_objects_are_encrypted(flow: Json) -> None:
    (service,) = [s for s in flow["flowContents"]["controllerServices"] if s["name"] == "S3 encryption"]
    assert service["properties"] == {
        "encryption-strategy": "#{s3.encryption.strategy}",
        "key-id-or-key-material": "#{s3.encryption.key}",
    }
    put = _one(flow, "PutS3Object")["properties"]
    assert put["encryption-service"] == service["identifier"]
    assert "server-side-encryption" not in put, "it takes precedence over the service"


def test_object_matches_the_contracts(flow: Json) -> None:
    put = _one(flow, "PutS3Object")["properties"]
    assert (put["Multipart Threshold"], put["Multipart Part Size"]) == ("100 MB", "50 MB")
    assert put[METADATA_SHA256] == "${'content_SHA-256'}", "what was computed, not what was announced"
    assert put[METADATA_UPLOAD_ID] == "${chunk.upload_id}"
    name = next(p for p in flow["flowContents"]["processors"] if p["name"] == "Name the object")["properties"]
    assert name["s3.key"] == object_key("${chunk.dataset_name}", "${chunk.filename}")


def test_every_parameter_is_declared_and_used(flow: Json) -> None:
    used = referenced_parameters(with_listen_tls(flow, ListenTls.MUTUAL)) | {LISTEN_TLS}
    assert {p["name"] for p in context_parameters(flow)} == used


def test_secrets_are_sensitive_and_no_value_is_in_the_file(flow: Json) -> None:
    secrets = [p for p in context_parameters(flow) if p["sensitive"]]
    assert {p["name"] for p in secrets} == {"listen.tls.key", "s3.access.key", "s3.encryption.key", "s3.secret.key"}
    assert not [p for p in secrets if "value" in p]


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ("dataset name", ["flights", "a.b-c_D9", ".hidden"], ["", ".", "..", "a/b", "a b", "x" * 129]),
        ("filename", ["f_chunk_001_20260131T120000000000Z.csv"], ["", "..", "a/b.csv", "a\\b", "x" * 256]),
        ("sha256", ["0" * 64], ["", "0" * 63, "G" * 64]),
        ("upload id", ["f" * 32], ["", "f" * 33, "f" * 31 + "/"]),
    ],
)
def test_message_check_matches_the_contracts(flow: Json, field: str, good: list[str], bad: list[str]) -> None:
    check: dict[str, Any] = next(p for p in _processors(flow, "RouteOnAttribute") if p["name"] == "Check the message")
    expression = check["properties"][field]
    pattern = re.search(r":matches\('(.*)'\)\}$", expression)
    assert pattern is not None
    rule = re.compile(pattern[1].replace("\\\\", "\\"))
    assert [text for text in good if not rule.fullmatch(text)] == []
    assert [text for text in bad if rule.fullmatch(text)] == []


def test_file_is_normalised(flow: Json) -> None:
    values = {p["name"]: p["value"] for p in context_parameters(flow) if "value" in p}
    text = json.dumps(normalise_export(flow, defaults=values), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert text == FLOW_FILE.read_text(encoding="utf-8")
