"""What runs on MinIO elsewhere, run once more on another S3 server: SeaweedFS.

The tests are those of the commands, with this module's ``minio`` in place of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.test_bucket_command import bucket as bucket
from tests.integration.test_bucket_command import test_bucket_is_created_once as test_bucket_is_created_once
from tests.integration.test_bucket_command import (
    test_bucket_of_the_settings_is_the_default as test_bucket_of_the_settings_is_the_default,
)
from tests.integration.test_bucket_command import (
    test_what_the_server_refuses_is_a_wrong_setting as test_what_the_server_refuses_is_a_wrong_setting,
)
from tests.integration.test_verify import *  # noqa: F403  every test and fixture of the command
from tests.support.seaweedfs import SeaweedServer, running_seaweedfs


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """Give SeaweedFS under the name that the tests ask for."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server
