"""What runs on MinIO elsewhere, run once more on another S3 server: SeaweedFS.

The tests are those of the commands, with this module's ``minio`` in place of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.integration.test_bucket_command import *  # noqa: F403  every test and fixture of the command
from tests.integration.test_verify import *  # noqa: F403  the same
from tests.support.s3.seaweedfs import SeaweedServer, running_seaweedfs

# Not here: SeaweedFS sends the first 3.5 kB of a body in a packet of their own, so every try behind the proxy that cuts
# all streams makes progress, and reading through it takes minutes and is not given up.
del test_stream_that_breaks_off_every_time_exits_with_69  # noqa: F821  it comes with the star


@pytest.fixture(scope="module")
def minio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SeaweedServer]:
    """Give SeaweedFS under the name that the tests ask for."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as server:
        yield server
