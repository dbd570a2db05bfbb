"""Drawn and imported regions."""
