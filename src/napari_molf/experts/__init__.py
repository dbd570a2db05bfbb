"""Which expert decided where."""
