"""What is put on the media for those who have no Firn."""
