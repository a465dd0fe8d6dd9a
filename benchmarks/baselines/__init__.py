"""What the uploader is measured against, each a small ASGI application for the same server."""
