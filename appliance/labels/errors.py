"""What cannot be printed."""


class LabelRefused(Exception):
    """A label was asked for that cannot be printed, or numbers that cannot be counted on; no file was written."""
