"""Lookup of unknown uploads: any writer to the topic can announce an upload id that does not exist."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from contracts.api import MAX_LOOKED_UP, KnownUploads, UploadIds
from contracts.message import ChunkMessage
from dags.modules.errors import UploaderError, UploaderKeyError
from dags.modules.task_log import task_logger
from dags.modules.uploader_access import WITHOUT_KEY, UploaderAccess, is_key_refusal, key_refused
from dags.modules.validators import base_url

if TYPE_CHECKING:
    from concurrent.futures import Future

log = task_logger(__name__)

MAX_UPLOADERS = 8
"""Addresses that are queried for one batch, concurrently: those with the most messages."""
_TIMEOUT_S = (2.0, 10.0)


class UploadAt(NamedTuple):
    """An upload at the uploader's address in a message. Another message can name the same upload at another address."""

    address: str
    upload_id: str


def find_unknown(messages: Iterable[ChunkMessage], *, access: UploaderAccess = WITHOUT_KEY) -> set[UploadAt]:
    """Return the uploads that the uploader at the address in their messages does not know.

    Each address is queried once, with all of its ids. An upload counts as known if its address was not queried or does
    not answer: its run checks again.

    Raises:
        UploaderKeyError: An uploader does not accept the key of ``access``, so the runs could do nothing there.
    """
    by_address = _group_ids(messages)
    known = _fetch_all(_busiest(by_address), access)
    return {
        UploadAt(address, upload_id) for address, ids in known.items() for upload_id in by_address[address].keys() - ids
    }


def fetch_known(address: str, upload_ids: Iterable[str], *, access: UploaderAccess = WITHOUT_KEY) -> set[str]:
    """Return those of ``upload_ids`` that the uploader at ``address`` knows.

    Raises:
        UploaderKeyError: The uploader does not accept the key.
        UploaderError: The uploader does not answer, or its response is invalid.
    """
    import requests

    found: set[str] = set()
    ids = sorted(set(upload_ids))
    try:
        with access.open_session(retries=1, methods=frozenset({"POST"})) as session:
            for start in range(0, len(ids), MAX_LOOKED_UP):
                part = UploadIds(upload_ids=ids[start : start + MAX_LOOKED_UP]).model_dump()
                response = session.post(f"{address}/uploads/known", json=part, timeout=_TIMEOUT_S)
                if is_key_refusal(response):
                    raise key_refused(response)
                if response.status_code != 200:
                    raise UploaderError(
                        f"POST {address}/uploads/known returned {response.status_code}: {response.text[:300]}"
                    )
                found.update(KnownUploads.model_validate_json(response.content).known)
    except (requests.RequestException, ValueError) as error:
        raise UploaderError(f"POST {address}/uploads/known failed: {error!r}") from error
    return found


def _group_ids(messages: Iterable[ChunkMessage]) -> dict[str, Counter[str]]:
    by_address: dict[str, Counter[str]] = {}
    for message in messages:
        by_address.setdefault(base_url(message), Counter())[message.upload_id] += 1
    return by_address


def _busiest(by_address: Mapping[str, Counter[str]]) -> dict[str, Counter[str]]:
    order = sorted(by_address.items(), key=lambda item: (-item[1].total(), item[0]))
    return dict(order[:MAX_UPLOADERS])


def _fetch_all(by_address: Mapping[str, Counter[str]], access: UploaderAccess) -> dict[str, set[str]]:
    """Return the known ids by address, without the addresses that do not answer."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(MAX_UPLOADERS, thread_name_prefix="known-uploads") as pool:
        ask = partial(fetch_known, access=access)
        futures = {address: pool.submit(ask, address, ids) for address, ids in by_address.items()}
    return {address: ids for address, future in futures.items() if (ids := _result_of(future)) is not None}


def _result_of(future: Future[set[str]]) -> set[str] | None:
    try:
        return future.result()
    except UploaderKeyError:
        raise
    except UploaderError as error:
        log.warning("Cannot look up uploads", extra={"error": error.detail})
        return None
