"""TCP proxies that break or spread connections, and certificates."""
