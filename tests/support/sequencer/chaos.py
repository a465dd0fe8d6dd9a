"""How much harm the chaos tests do: a little for each pull request, much at night."""

from __future__ import annotations

import os

KILLS = int(os.environ.get("CSVPIPE_CHAOS_KILLS", "3"))
"""How often one job is killed; `make chaos` sets 50."""
IS_LONG = KILLS >= 10
"""Whether every combination is tried."""
