"""Whole archives of real processes, worked with the tools of others."""
