"""HTTP sessions for all HTTP calls of the DAGs: timeouts, retries, no proxies."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import Session

TIMEOUT_S = (5.0, 30.0)
"""Time to connect, and time between two reads."""
TRANSIENT_STATUSES = frozenset({408, 425, 429})
"""4xx statuses that are worth a retry. So are all from 500 up."""
BACKOFF_FACTOR = 0.5
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "PATCH"})


def open_session(*, retries: int = 4, methods: frozenset[str] = IDEMPOTENT) -> Session:
    """Return a session that bridges a restart of the server: about 8 s of connection errors and 502, 503, 504."""
    import requests
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    retry = Retry(
        total=retries,
        backoff_factor=BACKOFF_FACTOR,
        status_forcelist=(502, 503, 504),
        allowed_methods=methods,
        raise_on_status=False,
        respect_retry_after_header=False,
    )
    session = requests.Session()
    session.trust_env = False  # all servers are inside the cluster: a proxy from the environment is not meant for them
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    return session
