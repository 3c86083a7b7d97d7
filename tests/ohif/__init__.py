"""OHIF in front of a running archive."""
