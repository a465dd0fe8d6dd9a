"""Watches for the notice with which AWS announces, two minutes ahead, that it will reclaim a Spot instance.

EC2 puts it into the instance metadata (IMDSv2). ECS and Batch send TERM to the container, which a job handles anyway.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import urllib3
from urllib3.exceptions import HTTPError

from sequencer.shutdown import StopRequest

_log = logging.getLogger(__name__)
METADATA = "http://169.254.169.254"
INTERVAL_S = 5.0
TIMEOUT_S = 1.0
RECLAIM_WAIT_S = 180.0
_TOKEN_S = "21600"  # noqa: S105  the lifetime of a token, not a token


class InterruptionWatch:
    """Polls for the notice in a thread while its context is open.

    If there is no instance metadata, that is logged once at DEBUG, and the polling continues: it may be slow to start.

    Args:
        on_notice: called once with the text of the notice.
        endpoint: URL of the instance metadata.
        interval_s: seconds between two requests.
        timeout_s: timeout of a request in seconds.
    """

    def __init__(
        self,
        on_notice: Callable[[str], None],
        *,
        endpoint: str = METADATA,
        interval_s: float = INTERVAL_S,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        self._on_notice = on_notice
        self._endpoint = endpoint
        self._interval_s = interval_s
        self._token = ""
        self._http = urllib3.PoolManager(timeout=timeout_s, retries=False)
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._run, name="interruption", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed.set()
        self._thread.join()

    def _run(self) -> None:
        is_logged = False
        while True:
            try:
                notice = self.notice()
            except HTTPError as error:
                if not is_logged:
                    _log.debug("No EC2 instance metadata", extra={"error": str(error)})
                is_logged, notice = True, None
            if notice is not None:
                self._on_notice(notice)
                return
            if self._closed.wait(self._interval_s):
                return

    def notice(self) -> str | None:
        """Return the notice, or None if there is none.

        Raises:
            urllib3.exceptions.HTTPError: there is no instance metadata.
        """
        if not self._token:
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": _TOKEN_S}
            answer = self._http.request("PUT", f"{self._endpoint}/latest/api/token", headers=headers)
            self._token = answer.data.decode() if answer.status == 200 else ""
        answer = self._http.request(
            "GET",
            f"{self._endpoint}/latest/meta-data/spot/instance-action",
            headers={"X-aws-ec2-metadata-token": self._token},
        )
        if answer.status == 401:
            self._token = ""  # it has expired
        return answer.data.decode() if answer.status == 200 else None


def wait_if_reclaimed(stop: StopRequest, *, endpoint: str = METADATA, max_wait_s: float = RECLAIM_WAIT_S) -> None:
    """Return immediately unless this instance already has its notice; then wait to be reclaimed together with it.

    Batch immediately restarts a job that exits with 75, on the same instance as long as that accepts jobs. Each such
    start would see the notice and exit, which would use up all ten attempts within the remaining two minutes. A start
    that waits uses up one attempt, and Batch places the next one on another instance.

    Args:
        stop: the request to stop.
        endpoint: URL of the instance metadata.
        max_wait_s: longest wait in seconds; more than the two minutes of the notice.

    Raises:
        StopRequestedError: the instance is reclaimed, and nothing was started.
    """
    try:
        notice = InterruptionWatch(stop.request, endpoint=endpoint).notice()
    except HTTPError as error:
        _log.debug("No EC2 instance metadata", extra={"error": str(error)})
        return
    if notice is None:
        return
    _log.warning("Instance is about to be reclaimed; not starting the job", extra={"notice": notice})
    if not stop.wait(max_wait_s):
        stop.request(f"the instance is about to be reclaimed: {notice}")
    stop.check()
