"""The notice that AWS gives before it takes a Spot machine away, two minutes ahead.

EC2 puts it into the instance's metadata (IMDSv2). ECS and Batch send TERM to the container, which a job takes anyway.
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
GOING_S = 180.0
_TOKEN_S = "21600"  # noqa: S105  how long a token lasts, and none


class InterruptionWatch:
    """Asks for the notice every few seconds, from entering the context to leaving it.

    A machine without that metadata is said once, at DEBUG, and asked again: it may be slow at its start.

    Args:
        on_notice: called once, with what the notice says.
        endpoint: of the metadata.
        interval_s: seconds between two questions.
        timeout_s: how long an answer is waited for.
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
        told = False
        while True:
            try:
                notice = self.notice()
            except HTTPError as error:
                if not told:
                    _log.debug("there is no metadata of EC2 here: %s", error)
                told, notice = True, None
            if notice is not None:
                self._on_notice(notice)
                return
            if self._closed.wait(self._interval_s):
                return

    def notice(self) -> str | None:
        """Return the notice; None: there is none.

        Raises:
            urllib3.exceptions.HTTPError: there is no metadata.
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
            self._token = ""  # it has run out
        return answer.data.decode() if answer.status == 200 else None


def wait_on_machine_that_goes(stop: StopRequest, *, endpoint: str = METADATA, most_s: float = GOING_S) -> None:
    """Return at once unless this machine has its notice already; on such a machine wait to be taken away with it.

    Batch starts a job that ends with 75 again at once, on the same machine while that takes new jobs. Each such start
    would see the notice and end, and in the two minutes that are left all ten attempts would be used up. A start that
    waits costs one attempt, and Batch places the next one elsewhere, as the machine is gone.

    Args:
        stop: the request to end early.
        endpoint: of the metadata.
        most_s: how long the machine is waited for; more than the two minutes of the notice.

    Raises:
        StopRequestedError: the machine goes, and nothing was begun.
    """
    try:
        notice = InterruptionWatch(stop.request, endpoint=endpoint).notice()
    except HTTPError as error:
        _log.debug("there is no metadata of EC2 here: %s", error)
        return
    if notice is None:
        return
    _log.warning("This machine is about to be taken away: nothing is begun on it: %s", notice)
    if not stop.wait(most_s):
        stop.request(f"the machine is about to be taken away: {notice}")
    stop.check()
