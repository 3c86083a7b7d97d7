"""The second file of every tape: how to restore, and a program that does it (docs/FORMAT.md section 4)."""

from importlib import resources

from hsm.format import ustar
from hsm.format.label import VolumeLabel


def media_text(name: str) -> bytes:
    """A file that is put on the media as it is."""
    return (resources.files("hsm.format") / "media" / name).read_bytes()


def intro_tar(label: VolumeLabel) -> bytes:
    """Tape file 1: README.TXT, which names this volume, and restore.py, in a plain tar."""
    readme = media_text("README.TXT") + f"\nThis is volume {label.barcode} ({label.uuid}).\n".encode("ascii")
    stream = b""
    for name, content in (("README.TXT", readme), ("restore.py", media_text("restore.py"))):
        stream += ustar.header(name, len(content)) + content + bytes(ustar.padding(len(content)))
    return stream + ustar.END
