"""Records stored one after the other in a buffer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Offsets = NDArray[np.int64]
_LF = 0x0A


@dataclass(frozen=True, slots=True)
class Records:
    """Records in one buffer, without a Python object for each.

    Attributes:
        data: the buffer.
        starts, ends: offsets of each record, the end exclusive.
    """

    data: bytes
    starts: Offsets
    ends: Offsets

    @classmethod
    def from_lines(cls, data: bytes) -> Records:
        """Return the lines of ``data`` without their line ends; each ends in an LF."""
        ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == _LF)
        starts = np.empty_like(ends)
        starts[:1] = 0
        starts[1:] = ends[:-1] + 1
        return cls(data, starts, ends)

    @classmethod
    def from_values(cls, values: Sequence[bytes]) -> Records:
        """Return records with these values."""
        ends = np.cumsum(np.fromiter(map(len, values), dtype=np.int64, count=len(values)))
        starts = np.concatenate(([0], ends[:-1])).astype(np.int64) if values else ends
        return cls(b"".join(values), starts, ends)

    def __len__(self) -> int:
        return self.starts.size

    def __iter__(self) -> Iterator[bytes]:
        return (self.data[begin:end] for begin, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True))

    def slice(self, begin: int, end: int) -> Records:
        """Return the records from number ``begin`` (from 0) up to ``end`` (exclusive), in the same buffer."""
        return Records(self.data, self.starts[begin:end], self.ends[begin:end])

    def batch_bounds(self, *, max_records: int, max_bytes: int) -> Iterator[tuple[int, int]]:
        """Yield the numbers of the first record of each batch and of the one after its last.

        Args:
            max_records: maximum number of records in a batch.
            max_bytes: maximum size of a batch; a larger record is a batch of its own.
        """
        bytes_upto = np.cumsum(self.sizes)
        begin, before = 0, 0
        while begin < len(self):
            fits = int(np.searchsorted(bytes_upto, before + max_bytes, side="right"))
            end = min(max(fits, begin + 1), begin + max_records, len(self))
            yield begin, end
            begin, before = end, int(bytes_upto[end - 1])

    def select(self, wanted: NDArray[np.bool_]) -> Records:
        """Return the wanted records, in the same buffer."""
        return Records(self.data, self.starts[wanted], self.ends[wanted])

    @property
    def sizes(self) -> Offsets:
        """Size of each record in bytes."""
        return self.ends - self.starts

    @property
    def size_bytes(self) -> int:
        """Size of all records in bytes."""
        return int(self.sizes.sum())

    @property
    def addresses(self) -> Offsets:
        """Memory address of each record, valid as long as the buffer exists."""
        base = np.frombuffer(self.data, dtype=np.uint8).__array_interface__["data"][0] if self.data else 0
        return self.starts + base
