"""``python -m csvpipe``."""

from csvpipe.cli import main

main()
