"""Makes text of others safe to print: it cannot control a terminal, forge a log line or reorder text.

A file name, a reason or a header may hold ESC sequences that rename a window or retype a command (CWE-150), line ends
that look like another record (CWE-117), and marks that show text in another order than it is read (CVE-2021-42574).
"""

from __future__ import annotations

import re

_CONTROLS = (
    "\x00-\x1f\x7f-\x9f"  # C0, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # marks, embeddings, overrides and isolates of direction
    "\u2028\u2029"  # separators of lines and paragraphs
    "\ud800-\udfff"  # halves of pairs, which stand for bytes that are not text
)
_UNSAFE = re.compile(f"[{_CONTROLS}]")
_UNSAFE_BUT_LINE_ENDS = re.compile(f"(?!\n)[{_CONTROLS}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}


def printable(text: str, *, keep_line_ends: bool = False) -> str:
    r"""Return ``text`` with every control character escaped as in a Python literal (``\n``, ``\x1b``, ``\u2028``).

    Args:
        text: from any source.
        keep_line_ends: leave LF as it is, for text of several lines that is ours, such as a traceback.
    """
    return (_UNSAFE_BUT_LINE_ENDS if keep_line_ends else _UNSAFE).sub(_escaped, text)


def printable_json(document: str) -> str:
    r"""Return an equivalent JSON document without control characters but its line ends.

    JSON itself escapes C0 in strings; DEL, C1 and the rest become ``\u009b`` here.
    """
    return _UNSAFE_BUT_LINE_ENDS.sub(_escaped_for_json, document)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    code = ord(character)
    return _SHORT.get(character) or (f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}")


def _escaped_for_json(match: re.Match[str]) -> str:
    # A CR or a tab between two values is white space.
    return " " if match[0] in "\r\t" else f"\\u{ord(match[0]):04x}"
