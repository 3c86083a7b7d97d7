"""Hardware: one device kind a file; knows no studies and no database."""
