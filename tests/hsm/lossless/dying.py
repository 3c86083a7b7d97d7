"""A codec that takes its process with it."""

import os


def die(_: object) -> str:
    """End at once, as after a segmentation fault."""
    os._exit(9)
