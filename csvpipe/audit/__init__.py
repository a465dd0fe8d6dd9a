"""Checking audit chains, and the commands' access to them."""
