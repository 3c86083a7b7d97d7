"""Objects that lie smaller on the media than they were received, and come back byte for byte as they were received."""
