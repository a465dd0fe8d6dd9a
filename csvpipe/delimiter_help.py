"""What the commands say of their option ``--delimiter``."""

from __future__ import annotations

DELIMITER_HELP = (
    "One ASCII character, a name (comma, semicolon, tab, pipe ...) or an escape such as \\x01; found in the header and "
    "the first rows if not given."
)
