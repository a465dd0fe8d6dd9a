"""Chromium, driven by Playwright, and the page as its user sees it."""
