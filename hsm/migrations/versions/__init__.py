"""The steps that bring a catalog's schema from one version to the next."""
