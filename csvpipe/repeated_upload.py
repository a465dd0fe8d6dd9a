"""An upload that is sent again if that helps: after the wait that the uploader asks for, or after a lost response."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from contracts.errors import TemporaryFailureError
from csvpipe.errors import ResponseLostError, SlowDownError, UnavailableError, UploaderFailedError

_Result = TypeVar("_Result")
_UNNAMED_WAIT_S = 10.0
"""Wait after a refusal that names no time."""


def repeat_upload(
    upload: Callable[[], _Result],
    *,
    rewind: Callable[[], bool],
    idempotency_key: str,
    patience_s: float,
    say: Callable[[str], None],
    sleep: Callable[[float], None] | None = None,
) -> _Result:
    """Return the result of ``upload``, which always sends ``idempotency_key``, so that it is accepted only once.

    While the uploader refuses the request because of a limit of the key, wait as long as it asks for and repeat it, for
    up to ``patience_s`` seconds of waiting in total. If the response was lost, repeat it once. An error explains how to
    send the file without a duplicate.

    Args:
        upload: sends the whole source.
        rewind: puts the source back to its beginning; returns False if it cannot.
        idempotency_key: for the text of an error.
        patience_s: 0 to raise the first refusal.
        say: tells the user what is waited for or repeated.
        sleep: for tests.

    Raises:
        SlowDownError: a limit was reached, and ``patience_s`` is over or the source cannot be read again.
        UnavailableError: the response was lost twice, or the source cannot be read again.
    """
    hint = (
        f"The file may have been accepted; send it again with --idempotency-key {idempotency_key}, and it is accepted "
        "only once"
    )
    lost_before = False
    waited_s = 0.0
    while True:
        try:
            return upload()
        except SlowDownError as refusal:
            wait_s = _UNNAMED_WAIT_S if refusal.wait_s is None else max(refusal.wait_s, 1.0)
            if waited_s + wait_s > patience_s:
                raise _out_of_patience(refusal, waited_s, patience_s) from refusal
            if not rewind():
                text = f"{refusal.detail}. Nothing was accepted; repeat the command, as standard input is read already"
                raise SlowDownError(text, wait_s=wait_s, **refusal.extra) from refusal
            say(f"{refusal.detail.partition('. Try again')[0]}; waiting {wait_s:.0f} s")
            (sleep or time.sleep)(wait_s)
            waited_s += wait_s
        except UnavailableError as error:
            if not (lost_before or isinstance(error, ResponseLostError)):
                raise
            if lost_before or not rewind():
                raise type(error)(f"{error.detail} {hint}", **error.extra) from error
            lost_before = True
            say("The uploader's response was lost; sending the file again with the same key")
        except (TemporaryFailureError, UploaderFailedError) as error:
            raise type(error)(f"{error.detail}. {hint}", **error.extra) from error


def _out_of_patience(refusal: SlowDownError, waited_s: float, patience_s: float) -> SlowDownError:
    waited = f" after {waited_s:.0f} s of waiting" if waited_s else ""
    text = f"{refusal.detail}. Given up{waited}, as --retry-for allows {patience_s:.0f} s; nothing was accepted"
    return SlowDownError(text, wait_s=refusal.wait_s, **refusal.extra)
