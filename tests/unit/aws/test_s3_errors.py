"""Final answers of S3 fail immediately with advice; the others are retried."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError
from botocore.parsers import ResponseParserError

from aws.endpoint_settings import EndpointSettings
from aws.s3_errors import final_s3_error
from contracts.backoff import Backoff
from contracts.errors import CsvPipeError, TemporaryFailureError
from contracts.exit_codes import ExitCode
from csvpipe.verify.s3_objects import S3Objects
from sequencer.source.open_sources import open_sources
from sequencer.source.s3_object import S3Options
from tests.support.s3.fake_gateway import Answer, Asked, FakeS3Gateway, Spoil, error_answer, fake_s3_gateway

SETTINGS = EndpointSettings(address="S3_ENDPOINT", payer="S3_REQUEST_PAYER")
FINAL = [
    (403, "InvalidObjectState", 66, "restore it first"),
    (404, "NoSuchKey", 66, "no such object"),
    (404, "NoSuchVersion", 66, "no such object"),
    (404, "NoSuchBucket", 66, "no such bucket"),
    (404, "SomethingNew", 66, "no such object"),
    (405, "MethodNotAllowed", 66, "delete marker"),
    (412, "PreconditionFailed", 66, "new JOB_ID"),
    (416, "InvalidRange", 66, "new JOB_ID"),
    (400, "ExpiredToken", 77, "renew them"),
    (400, "InvalidToken", 77, "renew them"),
    (400, "TokenRefreshRequired", 77, "renew them"),
    (403, "AccessDenied", 77, "S3_REQUEST_PAYER=requester"),
    (403, "SignatureDoesNotMatch", 77, "AWS_SECRET_ACCESS_KEY"),
    (403, "InvalidAccessKeyId", 77, "AWS_ACCESS_KEY_ID"),
    (403, "RequestTimeTooSkewed", 77, "clock"),
    (403, "AccountProblem", 77, "account"),
    (403, "AllAccessDisabled", 77, "account"),
    (403, "NotSignedUp", 77, "account"),
    (403, "SomethingNew", 77, "s3:GetObject"),
    (400, "KMS.AccessDeniedException", 77, "kms:Decrypt"),
    (400, "KMS.DisabledException", 78, "enable it again"),
    (400, "KMS.NotFoundException", 78, "enable it again"),
    (400, "KMS.KMSInvalidStateException", 78, "enable it again"),
    (400, "InvalidRequest", 78, "SSE-C"),
    (400, "InvalidArgument", 78, "SSE-C"),
    (301, "PermanentRedirect", 78, "AWS_REGION"),
    (400, "AuthorizationHeaderMalformed", 78, "AWS_REGION"),
    (400, "IllegalLocationConstraintException", 78, "AWS_REGION"),
    (400, "InvalidBucketName", 78, "check its name"),
    (400, "KeyTooLongError", 78, "1024 bytes"),
    (304, "304", 78, "a cache before"),
    (400, "SomethingNew", 78, "same answer"),
    (451, "SomethingNew", 78, "same answer"),
    (501, "NotImplemented", 78, "S3_ENDPOINT"),
]
PASSING = [
    (503, "SlowDown"),
    (503, "ServiceUnavailable"),
    (500, "InternalError"),
    (502, "502"),
    (504, "504"),
    (400, "RequestTimeout"),
    (400, "Throttling"),
    (400, "KMS.ThrottlingException"),
    (409, "OperationAborted"),
    (429, "TooManyRequests"),
    (408, "408"),
]


def client_error(status: int, code: str) -> ClientError:
    answer = {"Error": {"Code": code, "Message": "what S3\nsays."}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(answer, "GetObject")  # type: ignore[arg-type]  # as botocore itself makes them


@pytest.mark.parametrize(("status", "code", "exit_code", "advice"), FINAL)
def test_final_answer_has_its_exit_code_and_advice(status: int, code: str, exit_code: int, advice: str) -> None:
    error = final_s3_error(client_error(status, code), "s3://b/a.csv", SETTINGS)
    assert error is not None
    assert error.exit_code == exit_code
    for part in ("s3://b/a.csv: ", code, "what S3 says", advice):
        assert part in error.detail


@pytest.mark.parametrize(("status", "code"), PASSING)
def test_transient_answer_is_not_final(status: int, code: str) -> None:
    assert final_s3_error(client_error(status, code), "s3://b/a.csv", SETTINGS) is None


@pytest.mark.parametrize(
    ("status", "exit_code"),
    [(301, 78), (304, 78), (400, 78), (401, 77), (403, 77), (404, 66), (405, 66), (410, 66), (412, 66)],
)
def test_head_without_a_reason_is_final(status: int, exit_code: int) -> None:
    def refusing(asked: Asked, answer: Answer) -> Answer:
        return Answer(status) if asked.method == "HEAD" or status == 404 else answer

    assert ended(refusing, retries=5).exit_code == exit_code


@pytest.mark.parametrize(
    ("status", "code", "exit_code"), [(400, "ExpiredToken", 77), (403, "RequestTimeTooSkewed", 77)]
)
def test_reason_that_head_lacks_comes_from_get(status: int, code: str, exit_code: int) -> None:
    error = ended(lambda asked, answer: error_answer(status, code), retries=5)
    assert (error.exit_code, code in error.detail) == (exit_code, True)


def test_html_instead_of_xml_is_not_an_object_store() -> None:
    error = final_s3_error(ResponseParserError("invalid XML received"), "s3://b/", SETTINGS)
    assert error is not None
    assert (error.exit_code, "S3_ENDPOINT" in error.detail) == (78, True)


@pytest.mark.parametrize(("status", "code", "exit_code", "advice"), FINAL)
def test_final_answer_to_get_is_not_retried(status: int, code: str, exit_code: int, advice: str) -> None:
    asked_for: list[Asked] = []

    def refusing(asked: Asked, answer: Answer) -> Answer:
        if asked.method == "GET":
            asked_for.append(asked)
            return error_answer(status, code)
        return answer

    error = ended(refusing, retries=5)
    assert (error.exit_code, len(asked_for)) == (exit_code, 1)
    assert advice in error.detail


@pytest.mark.parametrize(("status", "code"), [(503, "SlowDown"), (500, "InternalError"), (400, "RequestTimeout")])
def test_transient_answer_is_retried(status: int, code: str) -> None:
    asked_for: list[Asked] = []

    def slow(asked: Asked, answer: Answer) -> Answer:
        if asked.method == "GET":
            asked_for.append(asked)
            return error_answer(status, code)
        return answer

    assert isinstance(ended(slow, retries=2), TemporaryFailureError)
    assert len(asked_for) == 3


def ended(spoil: Spoil, *, retries: int) -> CsvPipeError:
    """Return the error that ends the reading of an object."""
    with (
        fake_s3_gateway({"a.csv": b"id\n1\n"}, spoil) as gateway,
        pytest.raises(CsvPipeError) as raised,
    ):
        read(gateway, retries=retries)
    return raised.value


def read(gateway: FakeS3Gateway, *, retries: int) -> None:
    (file,) = open_sources(
        ["s3://b/a.csv"], s3=S3Options(connect=gateway.client, retries=retries, backoff=Backoff(0, 0))
    )
    with file.open() as pieces:
        list(pieces)


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "ExpiredToken", ExitCode.CONFIGURATION),
        (403, "AccessDenied", ExitCode.CONFIGURATION),
        (400, "SomethingNew", ExitCode.CONFIGURATION),
        (503, "SlowDown", ExitCode.UNAVAILABLE),
    ],
)
def test_verify_distinguishes_a_refusal_from_an_outage(status: int, code: str, exit_code: ExitCode) -> None:
    with (
        fake_s3_gateway({"a.csv": b"id\n"}, lambda asked, answer: error_answer(status, code)) as gateway,
        pytest.raises(CsvPipeError, match=code) as raised,
    ):
        S3Objects(gateway.client(), bucket="b", address=gateway.url).stat("a.csv")
    assert raised.value.exit_code == exit_code
