"""DICOMweb: searching, retrieving and storing over HTTP. Source: PS3.18 chapters 8 to 10."""
