"""The FastAPI service: takes a CSV over HTTP, cuts it while it streams in, and announces every chunk."""
