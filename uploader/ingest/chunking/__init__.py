"""From a stream of bytes to chunk files: blocks, record ends, where to cut, writing and hashing."""
