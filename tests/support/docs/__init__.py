"""The shell blocks of the documentation."""
