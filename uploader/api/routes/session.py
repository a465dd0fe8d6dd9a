"""``/session``: signing in and out of a browser."""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request, Response

from contracts.previews import MAX_PREVIEW_BYTES
from contracts.sessions import NewSession, Session, SessionLimits
from uploader.access.credentials import find_credentials
from uploader.access.errors import CrossOriginError, UnauthenticatedError
from uploader.access.principal import NOBODY, Principal
from uploader.access.same_origin import is_cross_origin
from uploader.access.session_cookie import remove_cookies, set_cookies
from uploader.api.guards import ANYONE
from uploader.api.key_of_caller import key_of
from uploader.api.middleware.session_cookies import has_session
from uploader.api.open_requests import has_open_access
from uploader.api.problems import problem_responses
from uploader.api.refusals import refused
from uploader.api.runtime import Runtime, RuntimeDep
from uploader.api.upload_admission import size_limit_of
from uploader.errors import ManifestUnavailableError

router = APIRouter(prefix="/session", tags=["session"], dependencies=[Depends(ANYONE)])


@router.get(
    "",
    summary="Get the session of the caller",
    responses=problem_responses(UnauthenticatedError, ManifestUnavailableError),
)
async def get_session(runtime: RuntimeDep, request: Request) -> Session:
    """Return who the caller is, without refusing those who have no key or an invalid cookie: their `key` is null.

    A key in a header that is invalid is refused (401), as everywhere.
    """
    return _session_of(runtime, request, await _find_caller(runtime, request))


@router.post(
    "",
    status_code=201,
    summary="Sign in",
    responses=problem_responses(UnauthenticatedError, CrossOriginError, ManifestUnavailableError),
)
async def sign_in(session: NewSession, runtime: RuntimeDep, request: Request, response: Response) -> Session:
    """Keep a key in the browser, in a cookie that scripts cannot read and that is gone when the browser is closed.

    The cookie stands for the key in every call of the service's own pages; pages of other sites cannot use it. A call
    that has a key in its headers ignores it.
    """
    _check_own_page(request)
    key = session.key.strip()
    caller = await runtime.authenticator.check_key(key)
    _set_cookies(response, set_cookies(key, secure=_is_https(request)))
    return _session_of(runtime, request, caller)


@router.delete("", status_code=204, summary="Sign out", responses=problem_responses(CrossOriginError))
async def sign_out(request: Request) -> Response:
    """Remove the cookie. The key stays valid."""
    _check_own_page(request)
    response = Response(status_code=204)
    _set_cookies(response, remove_cookies())
    return response


async def _find_caller(runtime: Runtime, request: Request) -> Principal | None:
    """Return the holder of the key of a request; None without one, and if that in the cookie is invalid.

    Raises:
        UnauthenticatedError: a key in a header is invalid.
    """
    if find_credentials(request.headers) is None:
        return None
    try:
        return await runtime.authenticator.authenticate(request.headers)
    except UnauthenticatedError as error:
        if not has_session(request):
            raise
        refused(request, error)  # or keys could be guessed here without a trace
        return None


def _session_of(runtime: Runtime, request: Request, caller: Principal | None) -> Session:
    settings = runtime.settings
    return Session(
        access="open" if has_open_access(request, settings) else "keys",
        key=None if caller is None else key_of(caller),
        limits=SessionLimits(
            max_file_size_mb=size_limit_of(caller or NOBODY, settings).max_mb,
            max_chunks=settings.max_chunks,
            chunk_type=settings.chunk_type.value,
            chunk_size_mb=settings.chunk_size_mb,
            chunk_rows=settings.chunk_rows,
            preview_bytes=MAX_PREVIEW_BYTES,
            resumable_expiry_hours=settings.resumable_expiry_hours,
        ),
        version=request.app.version,
    )


def _check_own_page(request: Request) -> None:
    """Check that no page of another site signs its visitors in or out, by a form for example.

    Raises:
        CrossOriginError: it does.
    """
    if is_cross_origin(request.headers, scheme=request.scope["scheme"]):
        raise CrossOriginError(
            "the request comes from a page of another site: sign in and out on the page of the uploader itself. Behind "
            "a proxy that serves HTTPS, set FORWARDED_ALLOW_IPS"
        )


def _is_https(request: Request) -> bool:
    """Return whether the browser uses HTTPS, also to a proxy that the uploader does not know of."""
    host = request.headers.get("host", "")
    return request.scope["scheme"] == "https" or request.headers.get("origin", "").lower() == f"https://{host.lower()}"


def _set_cookies(response: Response, values: list[str]) -> None:
    for value in values:
        response.headers.append("set-cookie", value)
