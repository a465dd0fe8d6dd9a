"""The bucket that chunks are delivered to, as far as the uploader looks into it."""
