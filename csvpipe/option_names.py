"""The uploader's advice in the words of the command line: it names form fields, a user of ``csvpipe`` types options."""

from __future__ import annotations

_OPTIONS = {
    "send delimiter=... before the file": "name it with --delimiter",
    "send strict=false before the file, or strict=lenient if": "use --no-strict, or --lenient if",
    "send the file's encoding=... before the file": "name the file's encoding with --encoding",
}


def in_options(text: str) -> str:
    """Return ``text`` with options in place of the form fields of the API."""
    for of_api, option in _OPTIONS.items():
        text = text.replace(of_api, option)
    return text
