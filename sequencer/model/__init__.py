"""Values that the parts of a job exchange."""
