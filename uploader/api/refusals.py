"""What happens when a request is refused for who makes it, or for how often."""

from __future__ import annotations

import http
import logging

from fastapi import Request

from contracts.errors import CsvPipeError

REFUSALS = frozenset({http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN, http.HTTPStatus.TOO_MANY_REQUESTS})
_log = logging.getLogger(__name__)


def refused(request: Request, error: CsvPipeError) -> None:
    """Take note of a request that is answered with 401, 403 or 429. Must not block: it runs on the event loop."""
    _log.debug("Request refused", extra={"method": request.method, "path": request.url.path, "code": error.code})
