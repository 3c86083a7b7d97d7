"""Pages for three kinds of user, REST API, DICOMweb and metrics."""
