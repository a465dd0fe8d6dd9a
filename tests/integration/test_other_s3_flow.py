"""The landing of chunks through the real flow, run once more on another S3 server than MinIO: SeaweedFS.

The tests are those of the flow, with this module's ``nifi`` in place of theirs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import pytest

from tests.integration.test_nifi_flow import (  # noqa: F401  pytest finds them here
    test_chunk_lands_unchanged_with_its_metadata,
    test_empty_chunks_land,
    test_large_chunk_is_a_multipart_upload,
    test_many_chunks_land_each_once,
    test_mismatching_content_is_retried_and_not_stored,
    test_repeated_message_leaves_the_same_object,
    test_wrong_credentials_are_logged_and_lose_no_chunk,
)
from tests.support.nifi.server import NiFiServer
from tests.support.s3.seaweedfs import SeaweedServer, running_seaweedfs
from tests.support.services import MinioServer


class NiFiOnSeaweedFS(NiFiServer):
    """NiFi, and a flow that writes to SeaweedFS."""

    def on(self, server: SeaweedServer) -> NiFiOnSeaweedFS:
        """Take ``server`` for the object store; the tests ask it what they ask a ``MinioServer``."""
        self.minio = cast("MinioServer", server)
        return self

    def parameters(self) -> dict[str, str]:
        """Return the parameters of the flow, with the address and the keys of SeaweedFS."""
        store = self.minio
        own = {"s3.endpoint": store.endpoint, "s3.access.key": store.access_key, "s3.secret.key": store.secret_key}
        return {**super().parameters(), **own}


@pytest.fixture(scope="module")
def nifi(nifi: NiFiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[NiFiServer]:
    """Give the NiFi of all tests with a flow that writes to SeaweedFS, and their flow again in the end."""
    with running_seaweedfs(tmp_path_factory.mktemp("seaweedfs")) as store:
        server = NiFiOnSeaweedFS(nifi.stack).on(store)
        server.deploy()
        yield server
        nifi.deploy()
