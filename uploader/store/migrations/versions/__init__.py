"""The schema revisions, in order."""
