"""Fakes of the services that the DAGs call."""
