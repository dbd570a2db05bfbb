"""Chapters of the routing report: each adds its sentences, figures and tables to the page."""
