"""Sending files to the uploader by tus, over lines that break, and from one run of the command to the next."""
