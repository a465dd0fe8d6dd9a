"""Container images and containers without Docker."""
