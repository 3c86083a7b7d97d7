"""Tests of Firn, one folder a room."""
