"""The HTTP/1.1 server side: limits, refusals, and request bodies read past ASGI."""
