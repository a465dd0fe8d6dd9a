"""Records that lie behind each other in one buffer, as they are made and as they are sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Places = NDArray[np.int64]
_LF = 0x0A


@dataclass(frozen=True, slots=True)
class Records:
    """Records in one buffer, without an object for each.

    Attributes:
        data: the buffer.
        starts, ends: where each record begins, and where it ends (behind its last byte).
    """

    data: bytes
    starts: Places
    ends: Places

    @classmethod
    def of_lines(cls, data: bytes) -> Records:
        """Return the lines of ``data``, each ended by LF, without it."""
        ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _LF)
        starts = np.empty_like(ends)
        starts[:1] = 0
        starts[1:] = ends[:-1] + 1
        return cls(data, starts, ends)

    @classmethod
    def of(cls, values: Sequence[bytes]) -> Records:
        """Return records that exist one by one."""
        ends = np.cumsum(np.fromiter(map(len, values), dtype=np.int64, count=len(values)))
        starts = np.concatenate(([0], ends[:-1])).astype(np.int64) if values else ends
        return cls(b"".join(values), starts, ends)

    def __len__(self) -> int:
        return self.starts.size

    def __iter__(self) -> Iterator[bytes]:
        return (self.data[begin:end] for begin, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True))

    def part(self, begin: int, end: int) -> Records:
        """Return the records from number ``begin``, counted from 0, up to ``end``, of the same buffer."""
        return Records(self.data, self.starts[begin:end], self.ends[begin:end])

    def spans(self, *, most_records: int, most_bytes: int) -> Iterator[tuple[int, int]]:
        """Cut into parts of no more records and bytes than these, each of one record at least; give the ends of each.

        Args:
            most_records: how many records a part has at most.
            most_bytes: how many bytes they are at most; a record that is longer stands alone.
        """
        bytes_upto = np.cumsum(self.sizes)
        begin, before = 0, 0
        while begin < len(self):
            fits = int(np.searchsorted(bytes_upto, before + most_bytes, side="right"))
            end = min(max(fits, begin + 1), begin + most_records, len(self))
            yield begin, end
            begin, before = end, int(bytes_upto[end - 1])

    def only(self, wanted: NDArray[np.bool_]) -> Records:
        """Return the records that are wanted, of the same buffer."""
        return Records(self.data, self.starts[wanted], self.ends[wanted])

    @property
    def sizes(self) -> Places:
        """Bytes of each."""
        return self.ends - self.starts

    @property
    def size_bytes(self) -> int:
        """Bytes of all."""
        return int(self.sizes.sum())

    @property
    def addresses(self) -> Places:
        """Where each begins in memory, as long as the buffer lives."""
        base = np.frombuffer(self.data, dtype=np.uint8).__array_interface__["data"][0] if self.data else 0
        return self.starts + base
