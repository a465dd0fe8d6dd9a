"""What runs on MinIO elsewhere, run once more on another S3 server: SeaweedFS.

The tests are those of the commands, with this module's ``minio`` in place of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.test_bucket_command import *  # noqa: F403  every test and fixture of the command
from tests.integration.test_verify import *  # noqa: F403  the same
from tests.support.s3.seaweedfs import SeaweedServer, running_seaweedfs


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """Give SeaweedFS under the name that the tests ask for."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server
