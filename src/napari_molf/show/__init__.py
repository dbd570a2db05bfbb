"""The Show section: which score, at which guidance, and what is under the pointer."""
