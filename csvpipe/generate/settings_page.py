"""``docs/reference/settings.md``: every setting with its default and description."""

from __future__ import annotations

from csvpipe.extras import CHECKOUT
from csvpipe.generate.env_example import settings_sections
from csvpipe.generate.markdown import GENERATED, code, sentence, table

FILE = CHECKOUT / "docs" / "reference" / "settings.md"
_INTRODUCTION = """\
# Settings

Every setting is an environment variable. The first of these that has it is used: the environment, `.env` in the working
directory, the default. A wrong value stops the program with a message that names the setting.

`_MB` in a name stands for MiB (1,048,576 bytes), `_S` for seconds. A setting that two services read is listed once.

Each secret `X` can be given as `X_FILE` instead: the path of a file that holds it, such as one that Docker or
Kubernetes mounts. A line end after the secret is ignored. Giving both, and a file that is unreadable or empty, is an
error.
"""


def render_settings_page() -> str:
    """Return the page."""
    parts = [GENERATED, _INTRODUCTION]
    for title, variables in settings_sections():
        rows = [(code(each.name), code(each.default), sentence(each.description)) for each in variables]
        parts.append(f"\n## {title}\n\n" + table(("setting", "default", "description"), rows))
    return "".join(parts)
