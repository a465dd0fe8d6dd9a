"""The interruption notice of Spot machines."""
