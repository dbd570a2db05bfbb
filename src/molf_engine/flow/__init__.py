"""Flow matching: path, losses, guidance, solver.  Functions over a velocity callable; they know no network."""
