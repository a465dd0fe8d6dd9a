"""The input of a job: its files, or a range of them, as encoded blocks."""
