"""The check of objects by HEAD: their size, which the store measures, and the SHA-256 that NiFi computed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from aws.bucket_settings import BUCKET_ENDPOINT
from aws.client import open_client
from aws.encryption import UNENCRYPTED, Encryption, former_encryptions
from aws.errors import translating_client_errors
from aws.object_head import ObjectHead, find_object
from aws.s3_errors import REQUEST_ERRORS, final_s3_error
from contracts.errors import CsvPipeError, NotAllowedError, SettingsError, TemporaryFailureError
from contracts.names import METADATA_SHA256
from uploader.domain.chunk_object import ChunkObject
from uploader.errors import BucketUnavailableError
from uploader.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_s3.client import S3Client


class S3ObjectChecker:
    """Looks at objects in an object store.

    An object that the store refuses with ``encryption`` is looked at with each of ``former``: with SSE-C, what was
    stored before the key was changed can be read with the key of that time only.
    """

    def __init__(
        self, client: S3Client, *, encryption: Encryption = UNENCRYPTED, former: Sequence[Encryption] = ()
    ) -> None:
        self._client = client
        self._encryptions = (encryption, *former)

    @classmethod
    def from_settings(cls, settings: Settings) -> S3ObjectChecker:
        """Return a checker for the store at ``S3_ENDPOINT``; nothing is sent yet.

        Raises:
            SettingsError: the client cannot be made with these settings, or those of the encryption are wrong.
        """
        encryption = settings.encryption()
        options = replace(
            settings.s3_client_options(), connect_timeout_s=5, read_timeout_s=10, attempts=2, connections=1
        )
        old_keys = settings.s3_sse_c_old_keys
        former = former_encryptions(
            encryption, old_keys.get_secret_value() if old_keys else None, endpoint=settings.s3_endpoint
        )
        with translating_client_errors("S3_ENDPOINT", BUCKET_ENDPOINT):
            return cls(open_client("s3", options), encryption=encryption, former=former)

    def find_fault(self, expected: ChunkObject) -> str | None:
        """Return how the object differs, or that it is missing; None if it is as expected.

        Raises:
            BucketUnavailableError: the object store does not answer, refuses, or has no such bucket.
        """
        name = f"s3://{expected.bucket}/{expected.key}"
        try:
            head = self._look(expected, name)
        except CsvPipeError as error:
            raise BucketUnavailableError(f"the object of a landed chunk cannot be checked: {error.detail}") from error
        if head is None:
            return f"{name} does not exist"
        sha256 = head.metadata.get(METADATA_SHA256, "")
        if head.version.size_bytes != expected.size_bytes:
            return f"{name} has {head.version.size_bytes} bytes, expected {expected.size_bytes}"
        if sha256 != expected.sha256:
            return f"{name} has SHA-256 {sha256[:64] or 'none'} in its metadata, expected {expected.sha256}"
        return None

    def _look(self, expected: ChunkObject, name: str) -> ObjectHead | None:
        refusals: list[CsvPipeError] = []
        for encryption in self._encryptions:
            try:
                return find_object(
                    self._client,
                    bucket=expected.bucket,
                    key=expected.key,
                    settings=BUCKET_ENDPOINT,
                    encryption=encryption,
                )
            except REQUEST_ERRORS as error:
                final = final_s3_error(error, name, BUCKET_ENDPOINT)
                if not isinstance(final, (NotAllowedError, SettingsError)):
                    raise final or TemporaryFailureError(f"{name}: {error}") from error
                refusals.append(final)  # 403 or 400: with SSE-C, this may be another key's object
        raise refusals[0]
