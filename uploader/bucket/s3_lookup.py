"""The look at objects by HEAD, whatever key they were encrypted with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from aws.bucket_settings import BUCKET_ENDPOINT
from aws.client import open_client
from aws.encryption import UNENCRYPTED, Encryption
from aws.errors import translating_client_errors
from aws.object_head import ObjectHead, find_object
from aws.s3_errors import REQUEST_ERRORS, final_s3_error
from contracts.errors import CsvPipeError, NotAllowedError, SettingsError, TemporaryFailureError
from contracts.names import METADATA_SHA256
from contracts.number_text import counted, format_count
from uploader.domain.chunk_object import ChunkObject
from uploader.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_s3.client import S3Client


@dataclass(frozen=True, kw_only=True)
class FoundObject:
    """An object, and the encryption with which the store lets it be read."""

    head: ObjectHead
    encryption: Encryption

    def find_difference(self, expected: ChunkObject) -> str | None:
        """Return how the object differs from the announced one; None if it does not."""
        name = expected.url
        sha256 = self.head.metadata.get(METADATA_SHA256, "")
        size_bytes = self.head.version.size_bytes
        if size_bytes != expected.size_bytes:
            return f"{name} has {counted(size_bytes, 'byte')}, expected {format_count(expected.size_bytes)}"
        if sha256 != expected.sha256:
            return f"{name} has SHA-256 {sha256[:64] or 'none'} in its metadata, expected {expected.sha256}"
        return None


class S3Lookup:
    """Finds objects in an object store.

    An object that the store refuses with ``encryption`` is looked at with each of ``former``: with SSE-C, what was
    stored before the key was changed can be read with the key of that time only.
    """

    def __init__(
        self, client: S3Client, *, encryption: Encryption = UNENCRYPTED, former: Sequence[Encryption] = ()
    ) -> None:
        self.client = client
        """The client, which threads may share."""
        self._encryptions = (encryption, *former)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return a lookup for the store at ``S3_ENDPOINT``; nothing is sent yet.

        Raises:
            SettingsError: the client cannot be made with these settings, or those of the encryption are wrong.
        """
        options = replace(
            settings.s3_client_options(), connect_timeout_s=5, read_timeout_s=10, attempts=2, connections=4
        )
        encryption, former = settings.encryption(), settings.former_encryptions()
        with translating_client_errors("S3_ENDPOINT", BUCKET_ENDPOINT):
            return cls(open_client("s3", options), encryption=encryption, former=former)

    def find(self, wanted: ChunkObject) -> FoundObject | None:
        """Return the object with this key, or None if the bucket has none.

        Raises:
            CsvPipeError: the object store does not answer, refuses, or has no such bucket.
        """
        name = wanted.url
        refusals: list[CsvPipeError] = []
        for encryption in self._encryptions:
            try:
                head = find_object(
                    self.client, bucket=wanted.bucket, key=wanted.key, settings=BUCKET_ENDPOINT, encryption=encryption
                )
            except REQUEST_ERRORS as error:
                final = final_s3_error(error, name, BUCKET_ENDPOINT)
                if not isinstance(final, (NotAllowedError, SettingsError)):
                    raise final or TemporaryFailureError(f"{name}: {error}") from error
                refusals.append(final)  # 403 or 400: with SSE-C, this may be another key's object
            else:
                return None if head is None else FoundObject(head=head, encryption=encryption)
        raise refusals[0]
