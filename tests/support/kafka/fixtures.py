"""Fixtures for tests on a real broker with TLS, SASL/SCRAM and SASL/OAUTHBEARER."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.kafka.secure import SecureBroker, running_secure_kafka
from tests.support.network.certificates import CertificateAuthority


@pytest.fixture(scope="module")
def broker_authority() -> CertificateAuthority:
    """Give the authority that has signed the broker's certificates."""
    return CertificateAuthority("the broker's")


@pytest.fixture(scope="module")
def secure_broker(
    broker_authority: CertificateAuthority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecureBroker]:
    """Give the broker."""
    with running_secure_kafka(tmp_path_factory.mktemp("secure"), broker_authority) as broker:
        yield broker
