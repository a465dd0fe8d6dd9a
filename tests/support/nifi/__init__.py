"""A real NiFi, and fakes of what it talks to."""
