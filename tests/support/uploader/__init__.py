"""The uploader as a process or in this process, and the parts that it is driven by."""
