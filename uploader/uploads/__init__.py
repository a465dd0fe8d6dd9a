"""Existing uploads: acceptance, announcement, status, cleaning, reconciliation and recovery."""
