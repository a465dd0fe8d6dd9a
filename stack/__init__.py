"""The local stack without containers: pinned versions, processes, ports, readiness, ordered stop."""
