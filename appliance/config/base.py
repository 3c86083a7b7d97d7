"""What the sections of the configuration are made of: kinds of values, and the table that refuses unknown keys."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

GIB = 1024**3


def _ae_title(text: str) -> str:
    """Refuse what PS3.5 section 6.2 (VR AE) does not allow; spaces around a title are not significant."""
    title = text.strip(" ")
    if not 1 <= len(title) <= 16:
        raise ValueError("an AE title has 1 to 16 characters")
    if "\\" in title or not all(" " <= character <= "~" for character in title):
        raise ValueError("an AE title has printable ASCII characters and no backslash")
    return title


def _absolute(path: Path) -> Path:
    if not path.is_absolute():
        raise ValueError("the path must be absolute: a relative one would mean another archive in another folder")
    return path


AeTitle = Annotated[str, AfterValidator(_ae_title)]
AbsolutePath = Annotated[Path, AfterValidator(_absolute)]
Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Host = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^\S+$")]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[a-z0-9.\-\[\]:]+$")]
Port = Annotated[int, Field(ge=1, le=65535)]
Percent = Annotated[float, Field(ge=0, le=100)]
Pattern = Annotated[str, StringConstraints(min_length=1)]


class Section(BaseModel):
    """A table of the file: unknown keys are refused, and nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)
