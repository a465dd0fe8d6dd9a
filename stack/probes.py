"""Questions that tell whether a service does its work: each returns None, or one line that says what is missing."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

_TIMEOUT_S = 3.0


def get_json(url: str, *, token: str | None = None) -> Any:  # noqa: ANN401 - JSON is what it is
    """Return the JSON that ``url`` answers.

    Raises:
        OSError: no answer, or one above 399.
    """
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})  # noqa: S310 - http, and to ourselves
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310 - as above
        return json.load(response)


def http_ok(url: str) -> str | None:
    """Ask that ``url`` answers 2xx."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT_S):  # noqa: S310 - http, and to ourselves
            return None
    except urllib.error.HTTPError as error:
        error.close()
        return f"{url} answers {error.code}"
    except OSError as error:
        return f"{url} does not answer yet ({getattr(error, 'reason', error)})"
