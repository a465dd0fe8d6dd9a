"""Running a job: from its resume point to its end."""
