"""Many slides, one after the other, each with its own state."""
