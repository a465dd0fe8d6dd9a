"""What every test shares: Hypothesis's profile."""

from hypothesis import HealthCheck, settings

# Timings belong to benchmarks: on a busy machine a deadline fails a test for nothing.
settings.register_profile("csvpipe", deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)
settings.load_profile("csvpipe")
