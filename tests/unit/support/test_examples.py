"""How many examples a property gets."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support.examples import FULL, QUICK, examples


@pytest.fixture(autouse=True)
def profile_as_before() -> Iterator[None]:
    before = settings.get_current_profile_name()
    yield
    settings.load_profile(before)


@pytest.mark.parametrize(("profile", "tried", "by_default"), [(FULL, 200, 100), (QUICK, 50, 25)])
def test_profile_decides_for_properties_with_a_number_and_without(profile: str, tried: int, by_default: int) -> None:
    settings.load_profile(profile)
    assert (examples(200), settings().max_examples) == (tried, by_default)
