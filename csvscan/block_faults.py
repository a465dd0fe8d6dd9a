"""All violations in a block, once a first one was found in it: at most one of each kind in a row."""

from __future__ import annotations

from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from csvscan.bits import Block
from csvscan.encoding import EncodingCheck
from csvscan.errors import CsvFormatError, invalid_encoding, nul_byte
from csvscan.fault_log import FaultLog
from csvscan.scan import Scan
from csvscan.scanner_state import EncodingState

_NONE = np.zeros(0, dtype=np.int64)


class BlockFaults:
    """Adds the violations in one block after the other to a log.

    Args:
        log: receives them.
        check: the check of the encoding.
    """

    def __init__(self, *, log: FaultLog, check: EncodingCheck) -> None:
        self._log = log
        self._check = check
        self._nul_row = 0
        self.in_invalid_row = False
        """Whether the row that is open has an invalid sequence, so that its rest is not checked."""

    def check_rest_of_row(self, block: Block, scan: Scan) -> int | None:
        """Check the encoding after the end of the open row, which is known to be invalid.

        Returns:
            The offset of the first invalid sequence after it, or None.
        """
        end = scan.first_end_at_or_after(0)
        if end is None:
            return None
        self.in_invalid_row = False
        found = self._find_all(block, end, scan.row_ends())
        return int(found[0]) if found.size else None

    def add(
        self,
        block: Block,
        scan: Scan,
        *,
        rows: int,
        base_byte: int,
        invalid: int | None,
        ragged: list[tuple[int, CsvFormatError]],
    ) -> None:
        """Add the violations of a block.

        Args:
            block: the block.
            scan: its row ends.
            rows: number of rows before it.
            base_byte: its offset in the content.
            invalid: offset of the first invalid sequence in it, or None.
            ragged: the first ragged rows, which are counted already, each with the byte that proves it.
        """
        ends, found = scan.row_ends(), list(ragged)
        for offset, row in self._nuls(block, ends, rows):
            found.append((offset, nul_byte(row, base_byte + offset)))
        for offset in self._invalid(block, scan, ends, invalid):
            row = rows + scan.rows_before(offset) + 1
            found.append((offset, invalid_encoding(row, base_byte + offset, self._check.encoding)))
        self._log.describe(fault for _, fault in sorted(found, key=itemgetter(0)))

    def _nuls(self, block: Block, ends: NDArray[np.int64], rows: int) -> list[tuple[int, int]]:
        """Count the rows with a NUL; return the first ones with the offset of the NUL."""
        if block.first_nul() is None:
            return []
        offsets = np.flatnonzero(block.data == 0)
        numbers, firsts = np.unique(np.searchsorted(ends, offsets, side="right") + rows + 1, return_index=True)
        if numbers[0] == self._nul_row:
            numbers, firsts = numbers[1:], firsts[1:]
        if numbers.size:
            self._nul_row = int(numbers[-1])
        self._log.add("nul_byte", numbers.size)
        room = self._log.room
        return list(zip(offsets[firsts[:room]].tolist(), numbers[:room].tolist(), strict=True))

    def _invalid(self, block: Block, scan: Scan, ends: NDArray[np.int64], first: int | None) -> list[int]:
        """Count the rows with an invalid sequence; return the first ones."""
        if first is None:
            return []
        end = scan.first_end_at_or_after(first + 1)
        later = _NONE if end is None else self._find_all(block, end, ends)
        rows, firsts = np.unique(np.searchsorted(ends, later, side="right"), return_index=True)
        self.in_invalid_row = end is None or bool(rows.size and rows[-1] == ends.size)
        if self.in_invalid_row:
            self._check.restore(EncodingState())
        self._log.add("invalid_encoding", 1 + rows.size)
        return [first, *later[firsts[: self._log.room]].tolist()][: self._log.room]

    def _find_all(self, block: Block, start: int, ends: NDArray[np.int64]) -> NDArray[np.int64]:
        self._check.restore(EncodingState())
        return self._check.find_all(block, start, ends)
