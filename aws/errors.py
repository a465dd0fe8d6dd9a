"""Errors of AWS services: which are final, who has to act, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from botocore import exceptions
from botocore.exceptions import BotoCoreError, ClientError

from aws.endpoint_settings import EndpointSettings
from contracts.errors import CsvPipeError, NotAllowedError, SettingsError, TemporaryFailureError
from contracts.tls_faults import TlsPeer

Meaning = tuple[type[CsvPipeError], str]
"""The error that an answer leads to, and what to do, with ``{settings.region}`` for a setting's name."""

# CredentialRetrievalError is not among them: the source of credentials (ECS, an assumed role) may be unavailable for a
# short time.
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
"""Codes of answers after which the same request may succeed, whatever their status."""
_PASSING_STATUS = frozenset({307, 408, 409, 425, 429})
_NEVER_STATUS = frozenset({501, 505})

_TOKEN = "the temporary credentials have expired or are not valid: renew them, or give the machine a role"  # noqa: S105  a text
_KEY = "check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and that they are for this service"
_CLOCK = "the clock of this machine is wrong: set it (NTP)"
_ACCOUNT = "the account may not use the service: ask its owner, or AWS"
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
"""Codes of every service."""


def code_of(error: ClientError) -> str:
    """Return the service's code of ``error``; for an answer without a body it is the HTTP status."""
    return str(error.response.get("Error", {}).get("Code", ""))


def status_of(error: ClientError) -> int:
    """Return the HTTP status of ``error``, or 0 if it is not known."""
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    code = code_of(error)
    return int(status) if status else int(code) if code.isdecimal() else 0


def refusal(
    error: ClientError,
    *,
    name: str,
    service: str,
    known: Mapping[str, Meaning],
    by_status: Mapping[int, Meaning],
    settings: EndpointSettings,
) -> CsvPipeError | None:
    """Return the error for a final answer of a service, or None if the same request may succeed later.

    Every 4xx that is not known to be transient is final, as are redirections: the same request gets the same answer.

    Args:
        error: the answer.
        name: the requested resource.
        service: name of the service.
        known: meanings of the service's codes.
        by_status: meanings of other codes by HTTP status; ``0`` is for any other status.
        settings: names of the settings of the service.
    """
    code, status = code_of(error), status_of(error)
    meaning = known.get(code) or COMMON.get(code)
    if meaning is None:
        if is_passing(code, status):
            return None
        meaning = by_status.get(status, by_status[0])
    kind, what_to_do = meaning
    message = " ".join(str(error.response.get("Error", {}).get("Message", "")).split())
    reason = code if message in ("", code) else f"{code}: {message.rstrip('.')}"
    return kind(f"{name}: {service} refuses ({reason}); {what_to_do.format(settings=settings)}")


def is_passing(code: str, status: int) -> bool:
    """Return whether the same request may succeed after an answer with this code and status."""
    if code in _PASSING or "Throttl" in code or status in _PASSING_STATUS:
        return True
    return status not in _NEVER_STATUS and not 300 <= status < 500


def final_error(error: BotoCoreError, name: str, settings: EndpointSettings) -> CsvPipeError | None:
    """Return the error for ``name`` if another try would not help, or None if it may.

    A fault of the certificate names the setting of ``settings`` that can mend it.
    """
    text = " ".join(str(error).split())  # botocore breaks lines
    if isinstance(error, _CREDENTIALS):
        return NotAllowedError(
            f"{name}: {text}; give the machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, _SETTINGS):
        return SettingsError(f"{name}: {text}")
    if isinstance(error, exceptions.HTTPClientError) and isinstance(error.kwargs.get("error"), ValueError):
        return NotAllowedError(f"{name}: the credentials contain characters that a request cannot have; {_KEY}")
    if isinstance(error, exceptions.SSLError):
        peer = TlsPeer(
            address=str(error.kwargs.get("endpoint_url")),
            address_setting=settings.address,
            ca_setting=settings.ca,
        )
        fault = peer.describe(error)
        return None if fault is None else SettingsError(f"{name}: {fault}")
    return None


@contextmanager
def translating_client_errors(service: str, settings: EndpointSettings) -> Iterator[None]:
    """Translate the errors of creating a client, which looks for configuration and credentials.

    Raises:
        NotAllowedError, SettingsError: a person has to act.
        TemporaryFailureError: the source of the credentials does not answer.
    """
    try:
        yield
    except BotoCoreError as error:
        raise final_error(error, service, settings) or TemporaryFailureError(f"{service}: {error}") from error
    except ValueError as error:  # the endpoint is not a URL
        raise SettingsError(f"{service}: {error}") from error
