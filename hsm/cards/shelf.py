"""Where the previews lie: a folder for each study, with a card that says what there is. All of it may be deleted."""

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from hsm.format.text import is_uid

VERSION = 1
CARD = "card.json"
KEY = "key"


@dataclass(frozen=True)
class Card:
    """What is kept of one study."""

    instances: int  # how many the study had when it was made: with more of them it is out of date
    pictures: Mapping[str, str] = field(default_factory=dict)  # series UID, or "key" -> digest of its JPEG
    missing: Mapping[str, str] = field(default_factory=dict)  # series UID -> why it has none


class CardShelf:
    """A folder of previews. Several processes may use one."""

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
            return Card(int(read["instances"]), dict(read["pictures"]), dict(read["missing"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def picture(self, study_uid: str, name: str) -> Path | None:
        """The JPEG of a series, or the key image; None when there is none."""
        if not is_uid(study_uid) or (name != KEY and not is_uid(name)):
            return None
        path = self._of(study_uid) / f"{name}.jpg"
        return path if path.is_file() else None

    def put(self, study_uid: str, instances: int, jpegs: Mapping[str, bytes], missing: Mapping[str, str]) -> Card:
        """Keep the previews of a study in place of those there were. Raises: OSError, ValueError for what is no UID."""
        if not is_uid(study_uid) or not all(name == KEY or is_uid(name) for name in jpegs):
            raise ValueError(f"{study_uid} or one of its series has no UID to keep a preview under")
        target = self._of(study_uid)
        target.parent.mkdir(parents=True, exist_ok=True)
        card = Card(instances, {name: sha256(data).hexdigest() for name, data in jpegs.items()}, dict(missing))
        made = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
        try:
            for name, data in jpegs.items():
                (made / f"{name}.jpg").write_bytes(data)
            words = {"version": VERSION, "instances": instances, "pictures": card.pictures, "missing": card.missing}
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
        """Remove the previews of a study, if there are any."""
        if is_uid(study_uid):
            shutil.rmtree(self._of(study_uid), ignore_errors=True)

    def _of(self, study_uid: str) -> Path:
        return self._folder / sha256(study_uid.encode()).hexdigest()[:2] / study_uid
