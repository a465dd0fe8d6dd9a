"""Finds the quotes that open and close fields if there are quotes where RFC 4180 allows none, as in ``5" pipe``.

Python's ``csv`` reads a quote as an opening one only at the start of a field, and reads the text after a closing quote
as plain text up to the next delimiter. Between two quotes only the byte before the second one can change the state. So
an automaton with three states that reads the quotes alone decides, whatever is between them. It runs over many
stretches of quotes in parallel, from each state, and then the stretches are joined.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from csvscan import bits
from csvscan.bits import WORD, Words

PLAIN, QUOTED, CLOSED = 0, 1, 2
"""States after a quote: it is a plain byte of an unquoted field; it opens a field, or reopens it; it closes one."""

_AT_START, _ADJACENT, _OTHER, _PADDING = 0, 3, 6, 9
_NEXT = np.zeros(12, dtype=np.uint8)
_NEXT[_AT_START : _AT_START + 3] = (QUOTED, CLOSED, QUOTED)
_NEXT[_ADJACENT : _ADJACENT + 3] = (PLAIN, CLOSED, QUOTED)
_NEXT[_OTHER : _OTHER + 3] = (PLAIN, CLOSED, PLAIN)
_NEXT[_PADDING : _PADDING + 3] = (PLAIN, QUOTED, CLOSED)
_STRETCH = 64


def structural_quotes(quotes: Words, at_start: Words, adjacent: Words, state: int) -> tuple[Words, int]:
    """Return the quotes that open or close a field, and the state after the last quote.

    Args:
        quotes: all quotes of the block.
        at_start: the bytes after a delimiter, a line end or the start of the content.
        adjacent: the bytes after a quote.
        state: state before the block.
    """
    places = bits.positions(quotes)
    classes = np.full(places.size, _OTHER, dtype=np.uint8)
    classes[_at(adjacent, places)] = _ADJACENT
    classes[_at(at_start, places)] = _AT_START
    states = _run(classes, state)
    kept = np.zeros(quotes.size * bits.WORD_BITS, dtype=np.bool_)
    kept[places[states != PLAIN]] = True
    return np.packbits(kept, bitorder="little").view(WORD), int(states[-1])


def _at(words: Words, places: NDArray[np.int64]) -> NDArray[np.bool_]:
    return np.unpackbits(words.view(np.uint8), bitorder="little").view(np.bool_)[places]


def _run(classes: NDArray[np.uint8], state: int) -> NDArray[np.uint8]:
    """Return the state after each quote."""
    stretches = -(-classes.size // _STRETCH)
    padded = np.full(stretches * _STRETCH, _PADDING, dtype=np.uint8)
    padded[: classes.size] = classes
    columns = np.ascontiguousarray(padded.reshape(stretches, _STRETCH).T)

    outcomes = np.repeat(np.arange(3, dtype=np.uint8)[:, None], stretches, axis=1)
    for column in columns:
        outcomes = _NEXT[outcomes + column]

    current = np.empty(stretches, dtype=np.uint8)
    for stretch, outcome in enumerate(outcomes.T.tolist()):
        current[stretch] = state
        state = outcome[state]

    states = np.empty_like(columns)
    for index, column in enumerate(columns):
        current = _NEXT[current + column]
        states[index] = current
    return states.T.reshape(-1)[: classes.size]
