"""What botocore's own errors mean where trying again changes nothing: no credentials, or a setting that is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore import exceptions
from botocore.exceptions import BotoCoreError

from sequencer.errors import JobSettingsError, NotAllowedError, SequencerError, TryAgainError

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
    exceptions.BaseEndpointResolverError,
    exceptions.EndpointProviderError,
)


def final_error(error: BotoCoreError, name: str) -> SequencerError | None:
    """Return what ``error`` means for ``name`` where it will be the same the next time; None: it may not be."""
    text = " ".join(str(error).split())  # botocore breaks lines
    if isinstance(error, _CREDENTIALS):
        return NotAllowedError(
            f"{name}: {text}; give the machine a role, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        )
    if isinstance(error, _SETTINGS):
        return JobSettingsError(f"{name}: {text}")
    return None


@contextmanager
def making_client(service: str) -> Iterator[None]:
    """Turn what goes wrong where a client is made, which looks for configuration and credentials, into our errors.

    Raises:
        NotAllowedError, JobSettingsError: a person has to do something.
        TryAgainError: what gives the credentials does not answer.
    """
    try:
        yield
    except BotoCoreError as error:
        raise final_error(error, service) or TryAgainError(f"{service}: {error}") from error
