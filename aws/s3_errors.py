"""Final answers of S3: their meanings, and what to do.

The codes are those of the S3 API reference ("Error responses"). An answer to HEAD has no body: its code is its status.
"""

from __future__ import annotations

from collections.abc import Mapping

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from aws.endpoint_settings import EndpointSettings
from aws.errors import Meaning, code_of, final_error, refusal
from contracts.errors import CsvPipeError, NotAllowedError, SettingsError, SourceChangedError, SourceNotFoundError

REQUEST_ERRORS = (ClientError, BotoCoreError, RecursionError, UnicodeError)
"""Exceptions of a request. If every request is redirected, botocore recurses to find the region of the bucket."""
_CHANGED = (
    "the object was replaced since its reading began; its rows may differ. Use a new JOB_ID and an empty partition for "
    "the new object"
)
_NO_OBJECT = "there is no such object; check bucket, key and {settings.address}"
_NO_BUCKET = "there is no such bucket; check its name and {settings.address}"
_DELETED = "the object was deleted and has a delete marker. Restore an older version of it"
_ARCHIVED = (
    "the object is archived and cannot be read: restore it first (aws s3api restore-object), and retry when that is "
    "done"
)
_PERMISSIONS = (
    "reading needs s3:GetObject, s3:ListBucket for a prefix, and kms:Decrypt if a key encrypts the object"
    "{settings.payer_hint}"
)
_KMS_KEY = "the KMS key of the object cannot be used: enable it again, or cancel its deletion"
_REGION = "the bucket is in another region or at another address: check {settings.region} and {settings.address}"
_CUSTOMER_KEY = "an object that is encrypted with a customer key (SSE-C) can be read only with this key"
_NEVER = "the same request gets the same answer: check bucket, key, {settings.region} and {settings.address}"

_CODES: dict[str, Meaning] = {
    **dict.fromkeys(("412", "PreconditionFailed", "416", "InvalidRange"), (SourceChangedError, _CHANGED)),
    **dict.fromkeys(("404", "NoSuchKey", "NoSuchVersion", "NotFound", "410"), (SourceNotFoundError, _NO_OBJECT)),
    "NoSuchBucket": (SourceNotFoundError, _NO_BUCKET),
    **dict.fromkeys(("405", "MethodNotAllowed"), (SourceNotFoundError, _DELETED)),
    **dict.fromkeys(("InvalidObjectState", "ObjectNotInActiveTierError"), (SourceNotFoundError, _ARCHIVED)),
    **dict.fromkeys(
        ("401", "403", "AccessDenied", "AccessDeniedException", "Forbidden", "UnauthorizedAccess", "InvalidPayer"),
        (NotAllowedError, _PERMISSIONS),
    ),
    **dict.fromkeys(
        ("KMS.AccessDeniedException", "KMS.AccessDenied", "KMS.InvalidGrantTokenException"),
        (NotAllowedError, _PERMISSIONS),
    ),
    **dict.fromkeys(
        (
            *("301", "308", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"),
            *(
                "InvalidLocationConstraint",
                "InvalidRegionName",
                "AuthorizationQueryParametersError",
                "EndpointNotFound",
            ),
        ),
        (SettingsError, _REGION),
    ),
    "InvalidBucketName": (SettingsError, "this is not a valid bucket name: check its name"),
    "KeyTooLongError": (SettingsError, "a key has at most 1024 bytes: check it"),
    "InvalidURI": (SettingsError, "this is not a valid key: check it"),
    "304": (
        SettingsError,
        "the request was not conditional: a cache before the object store has answered. Check {settings.address}",
    ),
}
_BY_STATUS: Mapping[int, Meaning] = {
    0: (SettingsError, _NEVER),
    400: (SettingsError, f"{_NEVER}, and the credentials; {_CUSTOMER_KEY}"),
    401: (NotAllowedError, _PERMISSIONS),
    403: (NotAllowedError, _PERMISSIONS),
    404: (SourceNotFoundError, _NO_OBJECT),
    407: (NotAllowedError, "the proxy before the object store requires credentials: check HTTPS_PROXY"),
    410: (SourceNotFoundError, _NO_OBJECT),
    412: (SourceChangedError, _CHANGED),
    416: (SourceChangedError, _CHANGED),
    501: (SettingsError, "this object store does not support the request: check {settings.address}"),
}


def final_s3_error(error: Exception, name: str, settings: EndpointSettings) -> CsvPipeError | None:
    """Return the error for ``name`` if another try would not help, or None if it may."""
    if isinstance(error, RecursionError):
        return SettingsError(f"{name}: S3 redirects every request; {_REGION.format(settings=settings)}")
    if isinstance(error, UnicodeError):
        return SettingsError(
            f"{name}: the key or the credentials contain characters that a request cannot have: {_one_line(error)}"
        )
    if isinstance(error, ResponseParserError):
        return SettingsError(
            f"{name}: the answer is not from an object store: check {settings.address} ({_one_line(error)})"
        )
    if isinstance(error, BotoCoreError):
        return final_error(error, name, settings)
    if not isinstance(error, ClientError):
        return None
    return refusal(error, name=name, service="S3", known=_CODES | _kms(error), by_status=_BY_STATUS, settings=settings)


def lacks_reason(error: Exception) -> bool:
    """Return whether ``error`` is an answer without a code, as to HEAD; the answer to GET has one."""
    return isinstance(error, ClientError) and code_of(error).isdecimal()


def _kms(error: ClientError) -> dict[str, Meaning]:
    """Return the meaning of a code of KMS: there are many, and each means that the key cannot be used."""
    code = code_of(error)
    if code in _CODES or not code.startswith("KMS."):
        return {}
    passes = any(word in code for word in ("Throttl", "Internal", "Timeout", "Unavailable"))
    return {} if passes else {code: (SettingsError, _KMS_KEY)}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
