"""Bodies of a limited size that are read by the route, which decides first whether it wants them."""

from __future__ import annotations

from fastapi import Request

from uploader.api.request_bodies import body_of, closing_on_refusal
from uploader.errors import BodyTooLargeError
from uploader.ingest.minimum_rate import MinimumRate


async def read_bounded(
    request: Request, *, max_bytes: int, advice: str, window_s: float, least_bytes: int
) -> memoryview:
    """Return the body of ``request``.

    Args:
        request: the request, to whose path :class:`~uploader.api.middleware.body_limit.BodyLimit` does not apply.
        max_bytes: size of the largest body.
        advice: what to do about a larger one.
        window_s: see :class:`uploader.ingest.minimum_rate.MinimumRate`.
        least_bytes: see there.

    Raises:
        BodyTooLargeError: the body is larger. The connection is closed.
        UploadStalledError: the client is too slow.
        UploadAbortedError: it has disconnected.
    """
    rate = MinimumRate(window_s=window_s, least_bytes=least_bytes, consequence="send the request again")
    with closing_on_refusal(request):
        return await _read(request, max_bytes, advice, rate)


async def _read(request: Request, max_bytes: int, advice: str, rate: MinimumRate) -> memoryview:
    declared = request.headers.get("content-length", "")
    size = int(declared) if declared.isascii() and declared.isdigit() else max_bytes
    if size > max_bytes:
        raise _too_large(f"the body has {size} bytes", max_bytes=max_bytes, advice=advice)
    if not size:
        return memoryview(b"")
    view = memoryview(bytearray(size + 1))
    with body_of(request) as body:
        async with rate.enforced():
            read = await body.read_into(view, fill=True, on_bytes=rate.count)
    if read > max_bytes:
        raise _too_large("the body is larger than allowed", max_bytes=max_bytes, advice=advice)
    return view[:read]


def _too_large(what: str, *, max_bytes: int, advice: str) -> BodyTooLargeError:
    return BodyTooLargeError(f"{what}; at most {max_bytes} bytes are accepted: {advice}", max_body_bytes=max_bytes)
