"""API keys: checking the one that a request carries, and managing them."""
