"""Carries one job out: migrate, verify, release, recall. Decides nothing but whether a failure is worth another try."""
