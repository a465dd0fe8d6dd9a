"""Receiving an upload: multipart body in, durable chunk files out."""
