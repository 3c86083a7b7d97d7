"""The DICOM node against foreign peers, odd peers and hostile ones."""
