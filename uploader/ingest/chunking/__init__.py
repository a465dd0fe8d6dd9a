"""From scanned rows to chunk files: where to cut, writing, copying and hashing."""
