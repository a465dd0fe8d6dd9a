"""What S3's answers mean where the same request would get the same answer again.

The codes are those of the S3 API reference ("Error responses"). An answer to HEAD has no body: its code is its status.
"""

from __future__ import annotations

from collections.abc import Mapping

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from contracts.errors import CsvPipeError, SettingsError, SourceChangedError
from sequencer.aws.errors import Meaning, code_of, final_error, refusal
from sequencer.errors import NotAllowedError, SourceNotFoundError

REQUEST_ERRORS = (ClientError, BotoCoreError, RecursionError, UnicodeError)
"""What a request may raise. botocore asks for the bucket's region, without end, where every request is redirected."""
_CHANGED = (
    "this is not the object any more that the job began with; its rows may be others. Give the new one a job of its "
    "own, with another JOB_ID and an empty partition"
)
_NO_OBJECT = "there is no such object; look at bucket, key and S3_ENDPOINT"
_NO_BUCKET = "there is no such bucket; look at its name and at S3_ENDPOINT"
_DELETED = "the object was deleted: what is there is a delete marker. Restore an older version of it"
_ARCHIVED = (
    "the object is archived and cannot be read as it is: restore it first (aws s3api restore-object), and start again "
    "when that is done"
)
_RIGHTS = (
    "it takes s3:GetObject, s3:ListBucket for a prefix, and kms:Decrypt on the key where one encrypts the object; a "
    "bucket whose readers pay takes S3_REQUEST_PAYER=requester"
)
_KMS_KEY = "the KMS key of the object cannot be used: enable it again, or cancel its deletion"
_REGION = "the bucket is in another region, or at another address: look at AWS_REGION and S3_ENDPOINT"
_CUSTOMER_KEY = (
    "an object that is encrypted with a key of the customer's (SSE-C) cannot be read, as csvpipe has no such key; copy "
    "it with SSE-S3 or SSE-KMS instead"
)
_NEVER = "the same request gets the same answer: look at bucket, key, AWS_REGION and S3_ENDPOINT"

_CODES: dict[str, Meaning] = {
    **dict.fromkeys(("412", "PreconditionFailed", "416", "InvalidRange"), (SourceChangedError, _CHANGED)),
    **dict.fromkeys(("404", "NoSuchKey", "NoSuchVersion", "NotFound", "410"), (SourceNotFoundError, _NO_OBJECT)),
    "NoSuchBucket": (SourceNotFoundError, _NO_BUCKET),
    **dict.fromkeys(("405", "MethodNotAllowed"), (SourceNotFoundError, _DELETED)),
    **dict.fromkeys(("InvalidObjectState", "ObjectNotInActiveTierError"), (SourceNotFoundError, _ARCHIVED)),
    **dict.fromkeys(
        ("401", "403", "AccessDenied", "AccessDeniedException", "Forbidden", "UnauthorizedAccess", "InvalidPayer"),
        (NotAllowedError, _RIGHTS),
    ),
    **dict.fromkeys(
        ("KMS.AccessDeniedException", "KMS.AccessDenied", "KMS.InvalidGrantTokenException"), (NotAllowedError, _RIGHTS)
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
    "InvalidBucketName": (SettingsError, "there cannot be such a bucket: look at its name"),
    "KeyTooLongError": (SettingsError, "a key has 1024 bytes at most: look at it"),
    "InvalidURI": (SettingsError, "there cannot be such a key: look at it"),
    "304": (
        SettingsError,
        "nothing was asked that could be answered so: a cache stands before the object store. Look at S3_ENDPOINT",
    ),
}
_BY_STATUS: Mapping[int, Meaning] = {
    0: (SettingsError, _NEVER),
    400: (SettingsError, f"{_NEVER}, and at the credentials; {_CUSTOMER_KEY}"),
    401: (NotAllowedError, _RIGHTS),
    403: (NotAllowedError, _RIGHTS),
    404: (SourceNotFoundError, _NO_OBJECT),
    407: (NotAllowedError, "the proxy before the object store asks for credentials: look at HTTPS_PROXY"),
    410: (SourceNotFoundError, _NO_OBJECT),
    412: (SourceChangedError, _CHANGED),
    416: (SourceChangedError, _CHANGED),
    501: (SettingsError, "this object store does not have what is asked for: look at S3_ENDPOINT"),
}


def final_s3_error(error: Exception, name: str) -> CsvPipeError | None:
    """Return what ``error`` means for ``name`` where it will be the same the next time; None: it may not be."""
    if isinstance(error, RecursionError):
        return SettingsError(f"{name}: S3 redirects every request; {_REGION}")
    if isinstance(error, UnicodeError):
        return SettingsError(f"{name}: the key or the credentials hold what no request can have: {_one_line(error)}")
    if isinstance(error, ResponseParserError):
        return SettingsError(f"{name}: what answers is no object store: look at S3_ENDPOINT ({_one_line(error)})")
    if isinstance(error, BotoCoreError):
        return final_error(error, name)
    if not isinstance(error, ClientError):
        return None
    return refusal(error, name=name, service="S3", known=_CODES | _kms(error), by_status=_BY_STATUS)


def has_no_reason(error: Exception) -> bool:
    """Tell whether ``error`` is an answer without a code, as to HEAD: GET's has one."""
    return isinstance(error, ClientError) and code_of(error).isdecimal()


def _kms(error: ClientError) -> dict[str, Meaning]:
    """Return the meaning of KMS' own code: its list is long, and each says that the key cannot be used."""
    code = code_of(error)
    if code in _CODES or not code.startswith("KMS."):
        return {}
    passes = any(word in code for word in ("Throttl", "Internal", "Timeout", "Unavailable"))
    return {} if passes else {code: (SettingsError, _KMS_KEY)}


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
