"""The PACS core: DICOM services on the network."""
