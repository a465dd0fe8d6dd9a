"""Checks of every service from where the command runs. They read only, and change nothing."""
