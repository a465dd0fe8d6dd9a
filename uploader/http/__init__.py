"""The HTTP/1.1 server side: limits, refused requests, and request bodies read past ASGI."""
