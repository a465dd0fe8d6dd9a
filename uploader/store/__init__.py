"""The database of manifests, the outbox, replicas and leases, in SQLite or PostgreSQL."""
