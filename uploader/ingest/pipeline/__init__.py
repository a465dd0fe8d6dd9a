"""The buffers, threads and files that an upload's pipeline runs on."""
