"""The one refusal of this room."""

from enum import StrEnum


class MediaRefused(Exception):
    """What was asked of a volume, a drive or a robot is not possible or not safe as things are; nothing was changed."""


def in_words(value: StrEnum) -> str:
    """A state or place as it stands in a sentence."""
    return value.value.replace("_", " ")
