"""Emptying a volume: everything on it is made again elsewhere and read back there before it counts as superseded."""
