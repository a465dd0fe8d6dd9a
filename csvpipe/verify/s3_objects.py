"""The bucket, read through the S3 API of MinIO, Amazon S3 or another store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from aws.bucket_settings import BUCKET_ENDPOINT
from aws.client import open_client
from aws.encryption import UNENCRYPTED, Encryption, EncryptionMode
from aws.payer import Payer, payer_argument
from contracts.backoff import Backoff
from contracts.errors import (
    CsvPipeError,
    SettingsError,
    SourceChangedError,
    SourceNotFoundError,
    StoreResponseError,
    TemporaryFailureError,
)
from csvpipe.errors import UnavailableError
from csvpipe.settings import ClientSettings
from csvpipe.verify.report import ObjectLostError, StoredObject

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from aws.object_head import ObjectHead

BROKEN_READS_ALLOWED = 5
"""Consecutive broken reads of an object after which the command fails; each read resumes at the byte."""

READ_BACKOFF = Backoff(0.2, 10.0)
_OF_ANOTHER_KEY = frozenset({400, 403})
"""Statuses with which a store refuses an object that is encrypted with another customer key, or with one at all."""
_S3_SETTINGS = replace(BUCKET_ENDPOINT, payer="S3_REQUEST_PAYER")


class S3Objects:
    """The objects of one bucket."""

    def __init__(
        self,
        client: S3Client,
        *,
        bucket: str,
        address: str,
        payer: Payer = "",
        encryption: Encryption = UNENCRYPTED,
        former: Sequence[Encryption] = (),
        backoff: Backoff = READ_BACKOFF,
    ) -> None:
        """Read ``bucket`` through ``client``; ``address`` is for error messages, ``backoff`` between retries.

        An object that the store refuses to ``encryption`` is read with the first of ``former`` that it accepts.
        """
        self._encryption = encryption
        self._former = former
        self._backoff = backoff
        self._client = client
        self._bucket = bucket
        self._address = address
        self._payer = payer

    def stat(self, key: str) -> StoredObject | None:
        """Return the object's size, metadata and encryption fault, or None if it does not exist.

        Raises:
            UnavailableError: the object store does not answer.
            SettingsError: it refuses the credentials, or there is no such bucket.
            StoreResponseError: what it answers is not what it takes to read the object safely.
        """
        found, _ = self._head(key)
        if found is None:
            return None
        return StoredObject(
            size_bytes=found.version.size_bytes,
            metadata=found.metadata,
            encryption_fault=self._encryption.find_fault(found.encryption),
        )

    def _head(self, key: str) -> tuple[ObjectHead | None, Encryption]:
        """Return what HEAD answers, or None without the object, and the encryption with which it can be read."""
        from botocore.exceptions import ClientError

        from aws.errors import status_of
        from aws.s3_errors import REQUEST_ERRORS

        try:
            return self._head_with(self._encryption, key), self._encryption
        except (*REQUEST_ERRORS, CsvPipeError) as error:
            is_refused = isinstance(error, ClientError) and status_of(error) in _OF_ANOTHER_KEY
            for former in self._former if is_refused else ():
                with suppress(*REQUEST_ERRORS, CsvPipeError):
                    return self._head_with(former, key), former
            raise self._translate(error) from error

    def _head_with(self, encryption: Encryption, key: str) -> ObjectHead | None:
        from aws.object_head import find_object

        return find_object(
            self._client, bucket=self._bucket, key=key, settings=_S3_SETTINGS, payer=self._payer, encryption=encryption
        )

    def check_listing(self) -> str | None:
        """Check that the bucket can be listed, and return the ``Date`` of the store's response.

        Raises:
            UnavailableError: the object store does not answer.
            SettingsError: it refuses the credentials, or there is no such bucket.
        """
        from aws.s3_errors import REQUEST_ERRORS

        try:
            answer = self._client.list_objects_v2(Bucket=self._bucket, MaxKeys=1, **payer_argument(self._payer))
        except REQUEST_ERRORS as error:
            raise self._translate(error) from error
        return answer["ResponseMetadata"]["HTTPHeaders"].get("date")

    def create_bucket(self, *, region: str) -> bool:
        """Create the bucket if it does not exist; return whether it was created.

        Raises:
            UnavailableError: the object store does not answer.
            SettingsError: it refuses the credentials or the name, or the bucket belongs to another account.
        """
        from botocore.exceptions import ClientError

        from aws.object_head import has_bucket
        from aws.s3_errors import REQUEST_ERRORS

        try:
            if has_bucket(self._client, self._bucket):
                return False
            # Amazon rejects a LocationConstraint of its first region, and requires that of every other one.
            if region == "us-east-1":
                self._client.create_bucket(Bucket=self._bucket)
            else:
                where: Any = {"LocationConstraint": region}
                self._client.create_bucket(Bucket=self._bucket, CreateBucketConfiguration=where)
        except REQUEST_ERRORS as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] == "BucketAlreadyOwnedByYou":
                return False
            raise self._translate(error) from error
        return True

    def read(self, key: str) -> Iterator[bytes]:
        """Give the object's bytes in blocks, all of the version that exists when the reading starts.

        Raises:
            ObjectLostError: it was deleted or replaced in the meantime.
            UnavailableError: the stream broke too often.
            SettingsError: the object store refuses the credentials, or there is no such bucket.
            StoreResponseError: what it answers is not what was asked for.
        """
        from aws.s3_reader import S3Reader

        found, encryption = self._head(key)
        if found is None:
            raise ObjectLostError("it was deleted while it was read", key=key)
        reader = S3Reader(
            self._client,
            bucket=self._bucket,
            key=key,
            version=found.version,
            settings=_S3_SETTINGS,
            retries=BROKEN_READS_ALLOWED,
            payer=self._payer,
            encryption=encryption,
            backoff=self._backoff,
        )
        try:
            yield from reader.read(0, reader.version.size_bytes)
        except SourceChangedError as error:
            raise ObjectLostError("it was replaced while it was read", key=key) from error
        except SourceNotFoundError as error:
            raise ObjectLostError(f"it became unreadable: {error.detail}", key=key) from error
        except CsvPipeError as error:
            raise self._translate(error) from error

    def keys(self, prefix: str) -> Iterator[str]:
        """Give every key that starts with ``prefix``."""
        yield from (entry for page in self._pages(prefix, "") for entry in page[0])

    def folders(self) -> Iterator[str]:
        """Give the first part of every key with its slash: one per dataset."""
        yield from (entry for page in self._pages("", "/") for entry in page[1])

    def _pages(self, prefix: str, delimiter: str) -> Iterator[tuple[list[str], list[str]]]:
        from aws.s3_errors import REQUEST_ERRORS

        pages = self._client.get_paginator("list_objects_v2")
        wanted = {"Bucket": self._bucket, "Prefix": prefix, "Delimiter": delimiter, **payer_argument(self._payer)}
        try:
            for page in pages.paginate(**wanted):
                keys = [entry["Key"] for entry in page.get("Contents", [])]
                yield keys, [entry["Prefix"] for entry in page.get("CommonPrefixes", [])]
        except REQUEST_ERRORS as error:
            raise self._translate(error) from error

    def _translate(self, error: Exception) -> UnavailableError | SettingsError | StoreResponseError:
        """Return the error of the command for an error of the store."""
        from botocore.exceptions import ClientError

        from aws.errors import status_of
        from aws.s3_errors import final_s3_error

        where = f"bucket {self._bucket!r} at {self._address}"
        final = error if isinstance(error, CsvPipeError) else final_s3_error(error, where, _S3_SETTINGS)
        if isinstance(final, StoreResponseError):
            return final
        if final is None or isinstance(final, TemporaryFailureError):
            return UnavailableError(f"{where} cannot be read: {final or error}. Check S3_ENDPOINT")
        if isinstance(error, ClientError) and (hint := self._encryption.explain_refusal(status_of(error))):
            return SettingsError(f"{final}. Here {hint}")
        return SettingsError(f"{final}. Also check S3_BUCKET, S3_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY")


def connect(settings: ClientSettings) -> S3Objects:
    """Return the bucket named by ``settings``; no request is sent yet.

    Raises:
        SettingsError: the address, the region, the profile, half of the credentials or the encryption is wrong.
        UnavailableError: what gives the credentials does not answer.
    """
    from aws.errors import translating_client_errors

    try:
        with translating_client_errors("S3", _S3_SETTINGS):
            client = open_client("s3", replace(settings.s3_client_options(), connect_timeout_s=5, attempts=5))
    except TemporaryFailureError as error:
        raise UnavailableError(error.detail) from error
    except CsvPipeError as error:
        raise SettingsError(f"{error.detail} (S3_ENDPOINT, S3_REGION, S3_CA_FILE, AWS_PROFILE)") from error
    return S3Objects(
        client,
        bucket=settings.s3_bucket,
        address=settings.s3_endpoint or "Amazon S3",
        payer=settings.s3_request_payer,
        encryption=settings.encryption(),
        former=[each for each in settings.former_encryptions() if each.mode is EncryptionMode.SSE_C],
    )
