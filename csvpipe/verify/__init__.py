"""Verification of an upload from the bucket alone."""
