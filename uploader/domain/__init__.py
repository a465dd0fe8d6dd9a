"""What an upload and its chunks are: values, states and messages, without I/O."""
