"""Encryption in the drive, by the name of the key.

Keys are files NAME.key in one folder, as `stenc -g` makes them: a line with the key in hexadecimal digits, a line with
its name. The drive writes the name (never the key) next to the data, so a volume says which key it needs.

Source: stenc(1) 1.0.7, SSC-4 section 8.5 (KEY DESCRIPTORS are its user-defined key-associated data).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from drivers.command import Completed, run
from drivers.errors import CommandFailed, EncryptionKeyMissing

_LIMIT_S = 300.0  # the status reads up to a hundred blocks
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,29}")  # 32 bytes is what drives keep; it is a file name, too
_HEX = re.compile(r"(?:[0-9a-fA-F]{2}){16}|(?:[0-9a-fA-F]{2}){32}")
_FIELD = re.compile(
    r"^(?P<name>Drive Encryption|Drive Key Desc|Volume Encryption|Volume Key Desc)[^:]*:\s*(?P<value>.*?)\s*$"
)

Run = Callable[[list[str], float], Completed]


@dataclass(frozen=True)
class Encryption:
    """What the drive does, and what it found on the volume."""

    on: bool = False
    key_name: str | None = None  # of the key the drive has
    volume_encrypted: bool | None = None  # None: blank, or the drive cannot tell
    readable: bool = True  # the drive has the key this volume needs, or it needs none
    volume_key_name: str | None = None  # told where the key is missing


def status(text: str) -> Encryption:
    """What `stenc -f DEVICE --detail` printed."""
    told = {found["name"]: found["value"] for line in text.splitlines() if (found := _FIELD.match(line))}
    volume = told.get("Volume Encryption", "")
    encrypted = True if volume.startswith("Encrypted") else False if volume.startswith("Not encrypted") else None
    return Encryption(
        on=told.get("Drive Encryption", "off") not in ("off", "unknown"),
        key_name=told.get("Drive Key Desc") or None,
        volume_encrypted=encrypted,
        readable="unable to decrypt" not in volume,
        volume_key_name=told.get("Volume Key Desc") or None,
    )


def wanted(found: Encryption, blank_key: str | None) -> str | None:
    """The name of the key a volume is to be used with; None for none at all.

    A volume keeps the key it began with: what holds plain data is written plainly, what is encrypted with its own key,
    and only a blank one gets the key that is configured.

    Raises: EncryptionKeyMissing when the volume does not say which key it needs.
    """
    if found.volume_encrypted is False:
        return None
    if found.volume_encrypted is None:
        return blank_key
    name = found.key_name if found.readable else found.volume_key_name
    if name is None:
        raise EncryptionKeyMissing(
            "the volume is encrypted and does not say with which key; set the key by hand with stenc, or take it out"
        )
    return name


def key_file(folder: Path, name: str) -> Path:
    """The file of a key, looked at before the drive is given it.

    Raises: EncryptionKeyMissing when there is no such key, or the file is not one.
    """
    if not _NAME.fullmatch(name):
        raise EncryptionKeyMissing(f"{name!r} cannot be the name of a key; use letters, digits, dot, dash, underscore")
    path = folder / f"{name}.key"
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not plain text"
        raise EncryptionKeyMissing(
            f"the key {name} is needed and {path} cannot be read ({reason}); put it there"
        ) from error
    if len(lines) < 2 or not _HEX.fullmatch(lines[0].strip()) or lines[1] != name:
        raise EncryptionKeyMissing(
            f"{path} is no key file: it needs 32 or 64 hexadecimal digits on the first line and {name} on the second"
        )
    return path


class Stenc:
    """The encryption of one drive. Only the drive's owner may use it: it speaks to the drive and moves the tape."""

    def __init__(self, device: Path, folder: Path, algorithm: int, runner: Run = run) -> None:
        self._device, self._folder, self._algorithm, self._run = device, folder, algorithm, runner

    def settle(self, blank_key: str | None) -> str | None:
        """Give the drive the key that the loaded, rewound volume needs. The position is unknown afterwards.

        Returns: the name of the key in force, None when the volume is used plainly.
        Raises: EncryptionKeyMissing.
        """
        found = status(self._ask("--detail").stdout)
        name = wanted(found, blank_key)
        if name is None:
            if found.on:
                self.clear()
        elif not (found.on and found.readable and found.key_name == name):
            # "mixed" writes encrypted and reads both, so that nothing is hidden that was written plainly.
            path = key_file(self._folder, name)
            self._ask("-e", "mixed", "-k", str(path), "-a", str(self._algorithm), "--ckod")
        return name

    def clear(self) -> None:
        """Take the key from the drive. Raises: EncryptionKeyMissing."""
        self._ask("-e", "off", "-a", str(self._algorithm))

    def _ask(self, *arguments: str) -> Completed:
        try:
            return self._run(["stenc", "-f", str(self._device), *arguments], _LIMIT_S)
        except CommandFailed as error:
            raise EncryptionKeyMissing(
                f"{self._device}: the encryption of the drive cannot be set or asked ({_reason(error)}); stenc has to "
                "be installed and to run as root, and the drive has to know encryption"
            ) from error


def _reason(error: CommandFailed) -> str:
    words = [line for line in (error.stderr or error.stdout or str(error)).splitlines() if line.strip()]
    return words[0].strip() if words else "it said nothing"
