"""Where previews and headers lie: a folder for each study, with a card that says what there is. All may be deleted.

The headers of a series are one compressed file of lines: SOP Instance UID, digest of the stored object, what the object
says as JSON (see hsm/dicom_json), with tabs between; nothing behind the second tab where that could not be told.
"""

import json
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from gzip import BadGzipFile, compress, decompress
from hashlib import sha256
from pathlib import Path

from hsm.facts import StoredInstance
from hsm.format.text import is_uid

VERSION = 1
CARD = "card.json"
KEY = "key"
_LEVEL = 6  # of compression: the objects of a series say nearly the same, and shrink to a few hundred bytes each


@dataclass(frozen=True)
class Head:
    """What one object says."""

    sha256: str  # of the stored object that said it
    said: bytes  # JSON text; b"" when it could not be told


@dataclass(frozen=True)
class Shown:
    """Which frame a picture shows."""

    sop_instance_uid: str
    frame: int  # from 1


@dataclass(frozen=True)
class Card:
    """What is kept of one study."""

    instances: int  # how many the study had when it was made: with more of them it is out of date
    pictures: Mapping[str, str] = field(default_factory=dict)  # series UID, or "key" -> digest of its JPEG
    missing: Mapping[str, str] = field(default_factory=dict)  # series UID -> why it has none
    shown: Mapping[str, Shown] = field(default_factory=dict)  # series UID, or "key"; of pictures of late
    content: str = ""  # digest of the objects whose headers are kept, see content_of; "" when none are


def content_of(instances: Iterable[StoredInstance]) -> str:
    """A digest of which objects a study has, and of what each of them is."""
    lines = sorted(f"{one.sop_instance_uid} {one.sha256}\n" for one in instances)
    return sha256("".join(lines).encode()).hexdigest()


class CardShelf:
    """A folder of previews and headers. Several processes may use one."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def card(self, study_uid: str) -> Card | None:
        """What is kept of a study; None when nothing is, or what is there cannot be read."""
        if not is_uid(study_uid):
            return None
        try:
            read = json.loads((self._of(study_uid) / CARD).read_bytes())
            if read["version"] != VERSION:
                return None
            shown = {name: Shown(str(uid), int(frame)) for name, (uid, frame) in read.get("shown", {}).items()}
            return Card(
                int(read["instances"]), dict(read["pictures"]), dict(read["missing"]), shown, read.get("content", "")
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def picture(self, study_uid: str, name: str) -> Path | None:
        """The JPEG of a series, or the key image; None when there is none."""
        if not is_uid(study_uid) or (name != KEY and not is_uid(name)):
            return None
        path = self._of(study_uid) / f"{name}.jpg"
        return path if path.is_file() else None

    def heads(self, study_uid: str, series_uid: str) -> dict[str, Head]:
        """What is kept of the objects of a series, by SOP Instance UID; nothing when that cannot be read."""
        if not is_uid(study_uid) or not is_uid(series_uid):
            return {}
        try:
            lines = decompress((self._of(study_uid) / f"{series_uid}.heads.gz").read_bytes()).split(b"\n")
            parts = (line.split(b"\t", 2) for line in lines if line)
            return {uid.decode(): Head(digest.decode(), said) for uid, digest, said in parts}
        except (OSError, EOFError, ValueError, BadGzipFile, zlib.error):
            return {}

    def put(
        self,
        study_uid: str,
        instances: int,
        jpegs: Mapping[str, bytes],
        missing: Mapping[str, str],
        heads: Mapping[str, Mapping[str, Head]] | None = None,
        shown: Mapping[str, Shown] | None = None,
        content: str = "",
    ) -> Card:
        """Keep the previews and headers (by series UID) of a study in place of those there were.

        Raises: OSError, ValueError for what is no UID.
        """
        heads = heads or {}
        names: Sequence[str] = [*jpegs, *heads]
        if not is_uid(study_uid) or not all(name == KEY or is_uid(name) for name in names):
            raise ValueError(f"{study_uid} or one of its series has no UID to keep a preview under")
        target = self._of(study_uid)
        target.parent.mkdir(parents=True, exist_ok=True)
        digests = {name: sha256(data).hexdigest() for name, data in jpegs.items()}
        card = Card(instances, digests, dict(missing), dict(shown or {}), content)
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
        try:
            for name, data in jpegs.items():
                (made / f"{name}.jpg").write_bytes(data)
            for name, of in heads.items():
                lines = (b"\t".join((uid.encode(), head.sha256.encode(), head.said)) for uid, head in of.items())
                (made / f"{name}.heads.gz").write_bytes(compress(b"\n".join(lines), _LEVEL, mtime=0))
            words = {
                "version": VERSION,
                "instances": instances,
                "pictures": card.pictures,
                "missing": card.missing,
                "shown": {name: [one.sop_instance_uid, one.frame] for name, one in card.shown.items()},
                "content": content,
            }
            (made / CARD).write_text(json.dumps(words), encoding="utf-8")
            made.chmod(0o750)
            self.forget(study_uid)
            try:
                made.rename(target)
            except OSError:  # another process was faster: what it made is as good
                if not (target / CARD).is_file():
                    raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return card

    def forget(self, study_uid: str) -> None:
        """Remove what is kept of a study, if there is anything."""
        if is_uid(study_uid):
            shutil.rmtree(self._of(study_uid), ignore_errors=True)

    def _of(self, study_uid: str) -> Path:
        return self._folder / sha256(study_uid.encode()).hexdigest()[:2] / study_uid
