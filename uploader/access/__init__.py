"""Who may do what: API keys, permissions, and the principals that requests are made by."""
