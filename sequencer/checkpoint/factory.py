"""Opens the checkpoint store that the settings select."""

from __future__ import annotations

from sequencer.checkpoint.dynamodb import DynamoDbCheckpoints, dynamodb_client
from sequencer.checkpoint.sqlite import SqliteCheckpoints
from sequencer.checkpoint.store import CheckpointStore
from sequencer.settings import JobSettings


def open_checkpoints(settings: JobSettings) -> CheckpointStore:
    """Return the store that the settings select: a DynamoDB table or a local file.

    Raises:
        SettingsError: the file cannot be created, or the client's settings are invalid.
        CheckpointsUnavailableError: the store does not answer.
    """
    if settings.checkpoint_table:
        return DynamoDbCheckpoints(dynamodb_client(settings), table=settings.checkpoint_table)
    return SqliteCheckpoints(settings.checkpoint_file)
