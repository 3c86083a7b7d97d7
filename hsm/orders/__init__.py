"""Orders and appointments: what a hospital says will be examined when, and what that means for priors on volumes."""
