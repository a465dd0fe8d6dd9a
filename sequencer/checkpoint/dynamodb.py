"""Checkpoints in a DynamoDB table with the partition key ``job_id``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from aws.client import ClientOptions, open_client
from aws.endpoint_settings import EndpointSettings
from aws.errors import Meaning, code_of, final_error, refusal, translating_client_errors
from contracts.errors import NotAllowedError, SettingsError
from sequencer.checkpoint.serialization import NUMBERS, TEXTS, from_fields, to_fields
from sequencer.errors import CheckpointsUnavailableError, LeaseHeldError, LeaseLostError
from sequencer.model.checkpoint import Checkpoint
from sequencer.settings import JobSettings

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.client import DynamoDBClient

_SETTINGS = EndpointSettings(address="DYNAMODB_ENDPOINT")
_PERMISSIONS = (
    "the role needs dynamodb:GetItem and dynamodb:UpdateItem on this table, and kms:Decrypt if a key encrypts it"
)
_KEYS = "the partition key must be job_id (a string), without a sort key, and an item is limited to 400 KB"
_NO_TABLE = (
    "CHECKPOINT_TABLE: the table does not exist in this region; check {settings.region}, or create the table with the "
    "partition key job_id (a string)"
)
_CODES: dict[str, Meaning] = {
    "AccessDeniedException": (NotAllowedError, _PERMISSIONS),
    "AccessDenied": (NotAllowedError, _PERMISSIONS),
    "ResourceNotFoundException": (SettingsError, _NO_TABLE),
    "ValidationException": (SettingsError, f"CHECKPOINT_TABLE: {_KEYS}"),
}
_BY_STATUS: dict[int, Meaning] = {
    0: (SettingsError, "check CHECKPOINT_TABLE, {settings.region} and {settings.address}"),
    401: (NotAllowedError, _PERMISSIONS),
    403: (NotAllowedError, _PERMISSIONS),
    407: (NotAllowedError, "the proxy in front of DynamoDB requires credentials: check HTTPS_PROXY"),
}
_CONDITION = "ConditionalCheckFailedException"
_ATTEMPTS = 10
"""How often a lease is taken that others change between reading and writing it."""


def dynamodb_client(settings: JobSettings) -> DynamoDBClient:
    """Return a client with short timeouts: callers retry, and must not wait long."""
    options = ClientOptions.with_short_timeouts(region=settings.aws_region, endpoint=settings.dynamodb_endpoint)
    with translating_client_errors("DynamoDB", _SETTINGS):
        return open_client("dynamodb", options)


class DynamoDbCheckpoints:
    """See :class:`sequencer.checkpoint.store.CheckpointStore`. Conditional writes decide who holds the lease."""

    def __init__(self, client: DynamoDBClient, *, table: str) -> None:
        self._client = client
        self._table = table

    def load(self, job_id: str) -> Checkpoint | None:
        """Return the last checkpoint of a job, or None."""
        item = self._item(job_id)
        if "timestamp" not in item:
            return None
        fields: dict[str, Any] = {name: item[name]["N"] for name in NUMBERS}
        return from_fields(job_id, fields | {name: item[name]["S"] for name in TEXTS})

    def save(self, checkpoint: Checkpoint, *, owner: str) -> None:
        """Save a checkpoint if ``owner`` holds the lease."""
        values = {name: _typed(value) for name, value in to_fields(checkpoint).items()}
        if not self._update(checkpoint.job_id, values, owner=owner):
            raise LeaseLostError.of(checkpoint.job_id, owner=owner)

    def delete(self, job_id: str) -> None:
        """Delete the checkpoint and the lease of a job."""
        with _translating_errors(self._table):
            self._client.delete_item(TableName=self._table, Key=_key(job_id))

    def acquire_lease(
        self, job_id: str, *, owner: str, now: float, lease_s: float, is_dead: Callable[[str], bool]
    ) -> None:
        """Acquire the lease if it is available."""
        values = {"lease_owner": _typed(owner), "lease_until": {"N": f"{now + lease_s:.3f}"}}
        for _ in range(_ATTEMPTS):
            item = self._item(job_id)
            holder = item.get("lease_owner", {}).get("S")
            until = float(item.get("lease_until", {}).get("N", "0"))
            if holder not in (None, owner) and until > now and not is_dead(holder):
                raise LeaseHeldError.of(job_id, owner=holder, until=until)
            # Succeeds only if the lease is still the one that was read.
            seen = {":seen_owner": _typed(holder), ":seen_until": item["lease_until"]} if holder else {}
            condition = (
                "lease_owner = :seen_owner AND lease_until = :seen_until"
                if holder
                else ("attribute_not_exists(lease_owner)")
            )
            if self._set(job_id, values, condition, seen):
                return
        raise CheckpointsUnavailableError(
            f"DynamoDB table {self._table}: the lease of job {job_id} was not the one just read, {_ATTEMPTS} times. "
            "Try again; if that does not help, lease_owner in the item of the job is not a text: remove this attribute"
        )

    def renew_lease(self, job_id: str, *, owner: str, until: float) -> None:
        """Extend the lease to ``until``."""
        if not self._update(job_id, {"lease_until": {"N": f"{until:.3f}"}}, owner=owner):
            raise LeaseLostError.of(job_id, owner=owner)

    def release_lease(self, job_id: str, *, owner: str) -> None:
        """Release the lease."""
        self._update_if(
            job_id,
            UpdateExpression="REMOVE lease_owner, lease_until",
            ConditionExpression="lease_owner = :owner",
            ExpressionAttributeValues={":owner": _typed(owner)},
        )

    def _item(self, job_id: str) -> dict[str, Any]:
        with _translating_errors(self._table):
            answer = self._client.get_item(TableName=self._table, Key=_key(job_id), ConsistentRead=True)
        return dict(answer.get("Item", {}))

    def _update(self, job_id: str, values: dict[str, Any], *, owner: str) -> bool:
        return self._set(job_id, values, "lease_owner = :the_owner", {":the_owner": _typed(owner)})

    def _set(self, job_id: str, values: dict[str, Any], condition: str, more: dict[str, Any]) -> bool:
        """Set attributes if the condition holds; return whether it did."""
        names = list(values)
        return self._update_if(
            job_id,
            UpdateExpression="SET " + ", ".join(f"#n{at} = :v{at}" for at in range(len(names))),
            ConditionExpression=condition,
            ExpressionAttributeNames={f"#n{at}": name for at, name in enumerate(names)},
            ExpressionAttributeValues={f":v{at}": values[name] for at, name in enumerate(names)} | more,
        )

    def _update_if(self, job_id: str, **expressions: Any) -> bool:  # noqa: ANN401  arguments of update_item
        """Update an item; return whether the condition held."""
        with _translating_errors(self._table):
            try:
                self._client.update_item(TableName=self._table, Key=_key(job_id), **expressions)
            except ClientError as error:
                if code_of(error) != _CONDITION:
                    raise
                return False
        return True


@contextmanager
def _translating_errors(table: str) -> Iterator[None]:
    """Translate the service's errors.

    Raises:
        NotAllowedError, SettingsError: an operator has to fix the cause.
        CheckpointsUnavailableError: the service does not answer, or throttles requests.
    """
    try:
        yield
    except ClientError as error:
        name = f"DynamoDB table {table}"
        final = refusal(error, name=name, service="DynamoDB", known=_CODES, by_status=_BY_STATUS, settings=_SETTINGS)
        raise final or CheckpointsUnavailableError(f"{name}: {error}") from error
    except UnicodeError as error:
        raise SettingsError(
            f"CHECKPOINT_TABLE or the credentials contain characters that no request may have: {error}"
        ) from error
    except BotoCoreError as error:
        name = f"DynamoDB table {table}"
        raise final_error(error, name, _SETTINGS) or CheckpointsUnavailableError(f"{name}: {error}") from error


def _key(job_id: str) -> dict[str, Any]:
    return {"job_id": {"S": job_id}}


def _typed(value: str | int) -> dict[str, Any]:
    return {"S": value} if isinstance(value, str) else {"N": str(value)}
