"""What the API is about, one module for each thing."""
