"""Final answers of DynamoDB end a job immediately; the others are retried."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from contracts.errors import CsvPipeError, NotAllowedError
from sequencer.checkpoint.dynamodb import DynamoDbCheckpoints
from sequencer.errors import CheckpointsUnavailableError


@pytest.mark.parametrize(
    ("status", "code", "exit_code"),
    [
        (400, "AccessDeniedException", 77),
        (400, "ExpiredTokenException", 77),
        (400, "UnrecognizedClientException", 77),
        (400, "IncompleteSignatureException", 77),
        (400, "ResourceNotFoundException", 78),
        (400, "ValidationException", 78),
        (400, "SerializationException", 78),
        (400, "SomethingNew", 78),
        (403, "SomethingNew", 77),
        (400, "ProvisionedThroughputExceededException", 75),
        (400, "ThrottlingException", 75),
        (400, "RequestLimitExceeded", 75),
        (400, "ResourceInUseException", 75),
        (500, "InternalServerError", 75),
        (503, "ServiceUnavailable", 75),
    ],
)
def test_answer_of_dynamodb_leads_to_its_exit_code(status: int, code: str, exit_code: int) -> None:
    class FakeDynamoDb:
        def get_item(self, **_: object) -> object:
            answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}
            raise ClientError(answer, "GetItem")  # type: ignore[arg-type]  # as botocore itself makes them

    with pytest.raises(CsvPipeError, match=code) as raised:
        DynamoDbCheckpoints(FakeDynamoDb(), table="t").load("job")  # type: ignore[arg-type]  # a fake
    assert raised.value.exit_code == exit_code
    assert isinstance(raised.value, CheckpointsUnavailableError) == (exit_code == 75)
    assert isinstance(raised.value, NotAllowedError) == (exit_code == 77)
