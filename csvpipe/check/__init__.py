"""``csvpipe check``: what is in a CSV file, what is wrong with it, and which readers will misread it."""
