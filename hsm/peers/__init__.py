"""The DICOM nodes around the archive: where they are, what each may do, and whether they answer."""
