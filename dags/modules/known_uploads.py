"""Which uploads of a batch the uploaders know: anybody who can write to the topic can announce any id."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from contracts.message import ChunkMessage
from dags.modules.errors import UploaderError
from dags.modules.http_session import open_session
from dags.modules.settings import DRAIN_MAX_MESSAGES
from dags.modules.validators import base_url

if TYPE_CHECKING:
    from concurrent.futures import Future

log = logging.getLogger(__name__)

MAX_UPLOADERS = 8
"""Addresses that are asked for one batch, all at once; those with the most messages first."""
_TIMEOUT_S = (2.0, 10.0)


def find_unknown(messages: Iterable[ChunkMessage]) -> set[str]:
    """Return the ids of uploads that no uploader knows, of those at whose addresses they were announced.

    Each address is asked once, with all of its ids. An id stays where one of its addresses was not asked or does not
    answer: its run will find out.
    """
    by_address = _group_ids(messages)
    known = _ask_all(_most_named(by_address))
    unjudged = {upload_id for address, ids in by_address.items() if address not in known for upload_id in ids}
    judged = {upload_id for ids in by_address.values() for upload_id in ids} - unjudged
    return judged - {upload_id for ids in known.values() for upload_id in ids}


def ask_known(address: str, upload_ids: Iterable[str]) -> set[str]:
    """Return those of ``upload_ids`` that the uploader at ``address`` knows.

    Raises:
        UploaderError: no answer, or not as agreed.
    """
    import requests

    found: set[str] = set()
    ids = sorted(set(upload_ids))
    try:
        with open_session(retries=1, methods=frozenset({"POST"})) as session:
            for start in range(0, len(ids), DRAIN_MAX_MESSAGES):
                part = {"upload_ids": ids[start : start + DRAIN_MAX_MESSAGES]}
                answer = session.post(f"{address}/uploads/known", json=part, timeout=_TIMEOUT_S, allow_redirects=False)
                if answer.status_code != 200:
                    raise UploaderError(f"{address}/uploads/known answered {answer.status_code}: {answer.text[:300]}")
                found.update(answer.json()["known"])
    except (requests.RequestException, KeyError, TypeError, ValueError) as error:
        raise UploaderError(f"{address}/uploads/known: {error!r}") from error
    return found


def _group_ids(messages: Iterable[ChunkMessage]) -> dict[str, Counter[str]]:
    by_address: dict[str, Counter[str]] = {}
    for message in messages:
        by_address.setdefault(base_url(message), Counter())[message.upload_id] += 1
    return by_address


def _most_named(by_address: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    order = sorted(by_address.items(), key=lambda item: (-item[1].total(), item[0]))
    return dict(order[:MAX_UPLOADERS])


def _ask_all(by_address: Mapping[str, Counter[str]]) -> dict[str, set[str]]:
    """Return what each address knows; those that do not answer are not in it."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(MAX_UPLOADERS, thread_name_prefix="known-uploads") as pool:
        asked = {address: pool.submit(ask_known, address, ids) for address, ids in by_address.items()}
    return {address: ids for address, answer in asked.items() if (ids := _answer_of(answer)) is not None}


def _answer_of(asked: Future[set[str]]) -> set[str] | None:
    try:
        return asked.result()
    except UploaderError as error:
        log.warning("uploads cannot be looked up: %s", error.detail)
        return None
