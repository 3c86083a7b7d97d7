"""DICOM audit messages, and their way to a syslog server."""
