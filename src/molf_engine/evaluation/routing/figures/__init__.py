"""Figures of the routing report; each function draws what it is given, and computes nothing."""
