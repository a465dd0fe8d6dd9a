"""The local stack without containers: pinned versions, processes, ports, readiness and ordered shutdown."""
