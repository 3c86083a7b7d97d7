"""The catalog, on both databases."""
