"""The source of a job in a fake S3 server that gives its beginning, and the rest when a test says so.

A job of a local file may be done before a test that was slow has done anything to it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from sequencer.source.row_block_reader import BLOCK_BYTES
from sequencer.source.s3_object import FIRST_RANGE_BYTES, RANGE_BYTES
from tests.support.s3.fake_gateway import Answer, Asked, fake_s3_gateway
from tests.support.sequencer.rig import SequencerRig

_KEY = "source.csv"
_BEGINNING_BYTES = FIRST_RANGE_BYTES + RANGE_BYTES
"""What a job reads in its first two requests: it sends the first blocks of it, some 100,000 rows."""


class HeldSource:
    """A source of which a job gets the first 4.5 MiB, until more is given.

    It keeps back the answers to requests for ranges that begin behind what is given, so a job gets up to a range more.
    """

    def __init__(self, rig: SequencerRig) -> None:
        self._rig = rig
        self._file = rig.source
        self._rows = 0
        self._given_bytes = 0
        self._changed = threading.Condition()
        self.objects: dict[str, bytes] = {}

    def write(self, rows: int, *, bad: Sequence[int] = ()) -> None:
        """Write a source (:meth:`SequencerRig.write_source`), and hold it."""
        self._rig.source = self._file
        self._rig.write_source(rows, bad=bad)
        content = Path(self._file).read_bytes()
        assert len(content) > _BEGINNING_BYTES, f"{len(content)} bytes are read at once"
        self._rows = rows
        self.objects[_KEY] = content
        self._rig.source = f"s3://b/{_KEY}"
        self._give(_BEGINNING_BYTES)

    def give(self, rows: int) -> None:
        """Let a job read so many rows, and those of the block and the range that they end in: up to 150,000 more."""
        content = self.objects[_KEY]
        self._give(max(_BEGINNING_BYTES, len(content) * rows // self._rows + BLOCK_BYTES))

    def release(self) -> None:
        """Give the rest."""
        self._give(len(self.objects.get(_KEY, b"")))

    def _give(self, upto_bytes: int) -> None:
        with self._changed:
            self._given_bytes = upto_bytes
            self._changed.notify_all()

    def hold(self, asked: Asked, answer: Answer) -> Answer:
        """Return an answer once it may be given."""
        with self._changed:
            self._changed.wait_for(lambda: asked.begin < self._given_bytes or not asked.content)
        return answer


@contextmanager
def held_source(rig: SequencerRig) -> Iterator[HeldSource]:
    """Serve the source of a rig until the block ends, so also to ``rig.assert_proven``."""
    held = HeldSource(rig)
    with fake_s3_gateway(held.objects, held.hold) as gateway:
        rig.environment |= {
            "S3_ENDPOINT": gateway.url,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
        }
        try:
            yield held
        finally:
            held.release()
