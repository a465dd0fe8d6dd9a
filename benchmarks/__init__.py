"""One script a question; each prints a table of this project beside its peers, measured in one run."""
