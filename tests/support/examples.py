"""How many examples Hypothesis tries: a quarter with the profile `quick`, which is that of `make check`."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

FULL = "full"
QUICK = "quick"
_QUICK_SHARE = 4


def register_profiles() -> None:
    """Register both profiles, and load the full one; `--hypothesis-profile=quick` chooses the other."""
    # Timings belong to benchmarks: on a busy machine a deadline fails a test for nothing.
    full = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
    settings.register_profile(FULL, full)
    settings.register_profile(QUICK, full, max_examples=full.max_examples // _QUICK_SHARE)
    settings.load_profile(FULL)


def examples(number: int) -> int:
    """Return how many of ``number`` examples to try: what a property says itself overrides a profile."""
    return number // _QUICK_SHARE if settings.get_current_profile_name() == QUICK else number
