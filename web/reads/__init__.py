"""Questions that only pages ask of the catalog, each one transaction that only looks."""
