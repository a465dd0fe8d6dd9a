"""``python -m csvpipe.generate``: writes every generated document."""

from __future__ import annotations

from csvpipe.generate.documents import render_all

if __name__ == "__main__":
    for path, text in render_all().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path)
