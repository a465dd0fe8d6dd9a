"""Uploads that exist: acceptance, publishing, status, cleaning and recovery."""
