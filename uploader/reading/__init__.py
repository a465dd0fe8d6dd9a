"""Help for readers of uploads: first rows, statements for other programs, links to other services."""
