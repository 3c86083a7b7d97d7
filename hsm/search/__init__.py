"""Finding studies by words: what somebody typed, what of a study it is compared with, and the table that keeps that."""
