"""Training: both stages, the choice of the guidance scale, the rivals, and the bundle that comes out."""
