"""Firn put together: configuration, DICOM services, processes and the command line."""
