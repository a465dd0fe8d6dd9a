"""AWS errors and the Spot interruption notice."""
