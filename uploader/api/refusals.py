"""What happens when a request is refused for who makes it, or for how often."""

from __future__ import annotations

import http

from fastapi import Request

from contracts.audit import AuditAction
from contracts.errors import CsvPipeError
from uploader.access.audit import Actor, AuditEvent
from uploader.access.principal import NOBODY
from uploader.api.actors import address_of
from uploader.api.runtime import runtime_of

REFUSALS = frozenset({http.HTTPStatus.UNAUTHORIZED, http.HTTPStatus.FORBIDDEN, http.HTTPStatus.TOO_MANY_REQUESTS})


def refused(request: Request, error: CsvPipeError) -> None:
    """Take note of a request that is answered with 401, 403 or 429. Must not block: it runs on the event loop."""
    runtime_of(request.app).metrics_page.metrics.count_refusal(error.code)
    principal = getattr(request.state, "principal", NOBODY)
    runtime_of(request.app).refusals.note(
        AuditEvent(
            action=AuditAction.REFUSE,
            outcome=error.code,
            actor=Actor(principal, address_of(request)),
            detail=f"{request.method} {request.url.path[:200]}: {error.detail}",
        )
    )
