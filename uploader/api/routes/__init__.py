"""The HTTP surface: each module is one router, thin over the service."""
