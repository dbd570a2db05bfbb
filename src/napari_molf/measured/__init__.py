"""Measured expression over the same slide, beside the prediction at the same positions."""
