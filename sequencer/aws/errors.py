"""What errors of AWS services mean: which are final, whose matter they are, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from contracts.errors import CsvPipeError, SettingsError, TemporaryFailureError
from sequencer.errors import NotAllowedError

Meaning = tuple[type[CsvPipeError], str]
"""The error that an answer leads to, and what to do."""

# CredentialRetrievalError is none of them: what gives the credentials (ECS, an assumed role) may be away for a moment.
_CREDENTIALS = (
    exceptions.NoCredentialsError,
    exceptions.PartialCredentialsError,
    exceptions.NoAuthTokenError,
    exceptions.TokenRetrievalError,
    exceptions.SSOError,
    exceptions.UnknownCredentialError,
    exceptions.RefreshWithMFAUnsupportedError,
)
_SETTINGS = (
    exceptions.ParamValidationError,
    exceptions.ValidationError,
    exceptions.ProfileNotFound,
    exceptions.ConfigParseError,
    exceptions.ConfigNotFound,
    exceptions.InvalidConfigError,
    exceptions.InfiniteLoopConfigError,
    exceptions.BaseEndpointResolverError,
    exceptions.EndpointProviderError,
    exceptions.InvalidProxiesConfigError,
    exceptions.MissingDependencyException,
    exceptions.InvalidS3AddressingStyleError,
    exceptions.InvalidS3UsEast1RegionalEndpointConfigError,
    exceptions.InvalidRetryConfigurationError,
    exceptions.InvalidIMDSEndpointError,
    exceptions.InvalidIMDSEndpointModeError,
    exceptions.InvalidDefaultsMode,
    exceptions.InvalidEndpointConfigurationError,
    exceptions.InvalidChecksumConfigError,
    exceptions.InvalidDNSNameError,
    exceptions.InvalidHostLabelError,
    exceptions.UnsupportedS3ArnError,
    exceptions.UnsupportedS3AccesspointConfigurationError,
    exceptions.UnsupportedS3ConfigurationError,
    exceptions.UnsupportedOutpostResourceError,
    exceptions.UnsupportedSignatureVersionError,
    exceptions.UnknownSignatureVersionError,
)
_PASSING = frozenset(
    {
        # botocore.retries.standard has the first two rows; the others are the services' own.
        *("RequestTimeout", "RequestTimeoutException", "PriorRequestNotComplete", "Throttling", "ThrottlingException"),
        *("ThrottledException", "RequestThrottled", "RequestThrottledException", "TooManyRequestsException"),
        *("RequestLimitExceeded", "BandwidthLimitExceeded", "LimitExceededException", "SlowDown", "SlowDownRead"),
        *("ProvisionedThroughputExceededException", "TransactionInProgressException", "EC2ThrottledException"),
        *("InternalError", "InternalFailure", "InternalServerError", "ServiceUnavailable", "Busy", "OperationAborted"),
        *("ServiceUnavailableException", "TransactionConflictException", "ReplicatedWriteConflictException"),
        *("ResourceInUseException", "KMS.ThrottlingException", "KMS.DependencyTimeoutException", "ClientDisconnected"),
        *("KMS.KMSInternalException", "TemporaryRedirect", "RequestThrottledByKMS", "ConditionalRequestConflict"),
    }
)
"""Codes of answers that may be others the next time, whatever their status."""
_PASSING_STATUS = frozenset({307, 408, 409, 425, 429})
_NEVER_STATUS = frozenset({501, 505})

_TOKEN = "the credentials are temporary and have run out, or are not valid: renew them, or give the machine a role"  # noqa: S105  a text
_KEY = "look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and at whose service they are for"
_CLOCK = "the clock of this machine is wrong: set it (NTP)"
_ACCOUNT = "the account itself is not allowed to: ask its owner, or AWS"
COMMON: Mapping[str, Meaning] = {
    **dict.fromkeys(
        ("ExpiredToken", "ExpiredTokenException", "InvalidToken", "InvalidTokenException", "TokenRefreshRequired"),
        (NotAllowedError, _TOKEN),
    ),
    **dict.fromkeys(
        (
            *("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidSignatureException", "InvalidClientTokenId"),
            *("UnrecognizedClientException", "IncompleteSignature", "IncompleteSignatureException", "InvalidSecurity"),
            *("MissingAuthenticationToken", "MissingAuthenticationTokenException", "MissingSecurityHeader"),
        ),
        (NotAllowedError, _KEY),
    ),
    **dict.fromkeys(("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"), (NotAllowedError, _CLOCK)),
    **dict.fromkeys(
        ("AccountProblem", "AllAccessDisabled", "NotSignedUp", "OptInRequired", "AccountDisabled"),
        (NotAllowedError, _ACCOUNT),
    ),
}
"""What every service may answer."""


def code_of(error: ClientError) -> str:
    """Return the service's code of ``error``; of an answer without a body it is the HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """Return the HTTP status of ``error``; 0 if it is not known."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    code = code_of(error)
    return int(status) if status else int(code) if code.isdecimal() else 0


def refusal(
    error: ClientError, *, name: str, service: str, known: Mapping[str, Meaning], by_status: Mapping[int, Meaning]
) -> CsvPipeError | None:
    """Return what a final answer of a service means; None: the same request may succeed later.

    Every 4xx that is not known to pass is final, as are redirections: the same request gets the same answer.

    Args:
        error: the answer.
        name: what was asked for.
        service: who answers.
        known: the meaning of the service's codes.
        by_status: the meaning of other codes, by the HTTP status; ``0``: of any other status.
    """
    code, status = code_of(error), status_of(error)
    meaning = known.get(code) or COMMON.get(code)
    if meaning is None:
        if is_passing(code, status):
            return None
        meaning = by_status.get(status, by_status[0])
    kind, what_to_do = meaning
    message = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    said = code if message in ("", code) else f"{code}: {message.rstrip('.')}"
    return kind(f"{name}: {service} refuses ({said}); {what_to_do}")


def is_passing(code: str, status: int) -> bool:
    """Tell whether an answer of this code and status may be another the next time."""
    if code in _PASSING or "Throttl" in code or status in _PASSING_STATUS:
        return True
    return status not in _NEVER_STATUS and not 300 <= status < 500


def final_error(error: BotoCoreError, name: str) -> CsvPipeError | None:
    """Return what ``error`` means for ``name`` where it will be the same the next time; None: it may not be."""
    text = " ".join(str(error).split())  # botocore breaks lines
    if isinstance(error, _CREDENTIALS):
        return NotAllowedError(
            f"{name}: {text}; give the machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, _SETTINGS):
        return SettingsError(f"{name}: {text}")
    if isinstance(error, exceptions.HTTPClientError) and isinstance(error.kwargs.get("error"), ValueError):
        return NotAllowedError(f"{name}: the credentials hold what no request can have; {_KEY}")
    if isinstance(error, exceptions.SSLError) and "CERTIFICATE_VERIFY_FAILED" in text:
        return SettingsError(f"{name}: {text}; name the certificates to trust with AWS_CA_BUNDLE")
    return None


@contextmanager
def making_client(service: str) -> Iterator[None]:
    """Turn what goes wrong where a client is made, which looks for configuration and credentials, into our errors.

    Raises:
        NotAllowedError, SettingsError: a person has to do something.
        TemporaryFailureError: what gives the credentials does not answer.
    """
    try:
        yield
    except BotoCoreError as error:
        raise final_error(error, service) or TemporaryFailureError(f"{service}: {error}") from error
    except ValueError as error:  # an endpoint that is no address
        raise SettingsError(f"{service}: {error}") from error
