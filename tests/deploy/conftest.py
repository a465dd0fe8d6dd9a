"""The overlays, built by kustomize."""

from __future__ import annotations

import pytest

from tests.support.kubernetes import OVERLAYS, Manifests, load_overlay


@pytest.fixture(params=OVERLAYS)
def manifests(request: pytest.FixtureRequest) -> Manifests:
    """Each overlay in turn."""
    return load_overlay(request.param)


@pytest.fixture
def hanoi() -> Manifests:
    return load_overlay("hanoi")


@pytest.fixture
def local() -> Manifests:
    return load_overlay("local")
