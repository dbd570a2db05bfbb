"""Measures of a prediction, the choice of the guidance scale, and reports."""
