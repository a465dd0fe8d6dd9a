"""How often the chunks of uploads were announced, as compared with what the uploader has logged."""

from __future__ import annotations

import re
from collections import Counter

_NOT_ACKNOWLEDGED = re.compile(r": Upload not announced(?: yet|; retrying) .*?\bupload_id=([0-9a-f]{32})\b")


def assert_announced(
    found: Counter[tuple[str, int]], upload_ids: set[str], *, chunks: int, log: str, times: int = 1
) -> None:
    """Check that all chunks of these uploads, and no others, were announced so many times.

    Kafka may have the messages that it did not acknowledge in time, on a busy machine. So each time the uploader has
    logged that it will announce an upload again accounts for one more of each of its messages.
    """
    assert set(found) == {(upload_id, number) for upload_id in upload_ids for number in range(1, chunks + 1)}
    more = Counter(_NOT_ACKNOWLEDGED.findall(log))
    wrong = {chunk: number for chunk, number in found.items() if not times <= number <= times + more[chunk[0]]}
    assert wrong == {}, f"expected {times}, and at most {more} more"
