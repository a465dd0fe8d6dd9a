"""HTTP sessions for all HTTP calls of the DAGs: timeouts, retries, no proxies, no redirects."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from requests import Response, Session

TIMEOUT_S = (5.0, 30.0)
"""Time to connect, and time between two reads."""
TRANSIENT_STATUSES = frozenset({408, 425, 429})
"""4xx statuses that are worth a retry. So are all from 500 up."""
BACKOFF_FACTOR = 0.5
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "DELETE", "PATCH"})


def open_session(*, retries: int = 4, methods: frozenset[str] = IDEMPOTENT) -> Session:
    """Return a session that bridges a restart of the server: about 8 s of connection errors and 502, 503, 504.

    It returns a redirect as it is. To follow it would send passwords to another address, and turn a POST into a GET
    whose 200 says nothing about what was posted.
    """
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

    class DirectSession(requests.Session):
        def get_redirect_target(self, resp: Response) -> None:  # noqa: ARG002  the base class names it
            return None

    session = DirectSession()
    session.trust_env = False  # all servers are inside the cluster: a proxy from the environment is not meant for them
    session.mount("http://", HTTPAdapter(max_retries=retry))
    session.mount("https://", HTTPAdapter(max_retries=retry))
    return session


def check_success(response: Response) -> Response:
    """Return ``response`` if its status is 2xx.

    Raises:
        requests.HTTPError: it is not, which includes redirects.
    """
    import requests

    response.raise_for_status()
    if not 200 <= response.status_code < 300:
        target = response.headers.get("Location")
        raise requests.HTTPError(
            f"{response.request.method} {response.url} returned {response.status_code} and sends to {target}; "
            "set the connection to the final address",
            response=response,
        )
    return response
