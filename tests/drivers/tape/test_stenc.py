"""Encryption keys by name. What stenc prints is made by hand here, after stenc 1.0.7: no drive of ours encrypts."""

from pathlib import Path

import pytest

from drivers.command import Completed
from drivers.errors import CommandFailed, EncryptionKeyMissing
from drivers.tape.stenc import Encryption, Stenc, key_file, status, wanted

HEAD = "Status for /dev/sg1\n--------------------------------------------------\nDevice Mfg:              IBM     \n"
OFF = (
    HEAD
    + "Drive Encryption:        off\nDrive Output:            Not decrypting\nDrive Input:             Not encrypting\n"
)
ON = HEAD + "Drive Encryption:        mixed\nDrive Output:            Decrypting\nDrive Key Desc.(uKAD):   2024\n"
PLAIN = "Volume Encryption:       Not encrypted\n"
BLANK = "Volume Encryption:       Unable to determine\n"
OURS = "Volume Encryption:       Encrypted and able to decrypt\n"
LOCKED = "Volume Encryption:       Encrypted, but unable to decrypt due to invalid key. \n"
NAMED = "Volume Key Desc.(uKAD):  2023\n"
KEY = "00112233445566778899aabbccddeeff" * 2


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (OFF + PLAIN, Encryption(volume_encrypted=False)),
        (OFF + BLANK, Encryption()),
        (OFF + LOCKED, Encryption(volume_encrypted=True, readable=False)),
        (OFF + LOCKED + NAMED, Encryption(volume_encrypted=True, readable=False, volume_key_name="2023")),
        (ON + OURS, Encryption(True, "2024", True)),
        (ON + BLANK, Encryption(True, "2024")),
        ("", Encryption()),
    ],
)
def test_the_status_is_read(text: str, found: Encryption) -> None:
    assert status(text) == found


def test_a_volume_keeps_the_key_it_began_with() -> None:
    assert wanted(status(OFF + PLAIN), "2025") is None
    assert wanted(status(OFF + BLANK), "2025") == "2025"
    assert wanted(status(OFF + BLANK), None) is None
    assert wanted(status(OFF + LOCKED + NAMED), "2025") == "2023"
    assert wanted(status(ON + OURS), "2025") == "2024"
    with pytest.raises(EncryptionKeyMissing, match="does not say"):
        wanted(status(OFF + LOCKED), "2025")


def test_a_key_file_has_the_key_and_its_name(tmp_path: Path) -> None:
    (tmp_path / "2023.key").write_text(f"{KEY}\n2023\n")
    assert key_file(tmp_path, "2023") == tmp_path / "2023.key"


@pytest.mark.parametrize(
    "content", ["", KEY, f"{KEY}\n2022\n", f"{KEY[1:]}\n2023\n", "nonsense\n2023\n", None, "schlüssel"]
)
def test_what_is_no_key_file_is_refused_and_the_key_is_not_shown(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "2023.key").write_text(content)
    with pytest.raises(EncryptionKeyMissing, match=r"2023\.key") as caught:
        key_file(tmp_path, "2023")
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("name", ["../etc/passwd", "", "a b", "x" * 33, ".key"])
def test_a_name_from_a_volume_is_not_a_path(tmp_path: Path, name: str) -> None:
    with pytest.raises(EncryptionKeyMissing, match="cannot be the name"):
        key_file(tmp_path, name)


class Program:
    """Says what stenc would, and keeps what it was asked."""

    def __init__(self, said: str, fails: str | None = None) -> None:
        self.said, self.fails = said, fails
        self.asked: list[list[str]] = []

    def __call__(self, argv: list[str], limit_s: float) -> Completed:
        self.asked.append(argv[3:])
        if self.fails is not None:
            raise CommandFailed("stenc ended with status 1", argv, 1, "", self.fails)
        return Completed(tuple(argv), 0, self.said, "", 0.1)


def settled(folder: Path, said: str, blank_key: str | None = None) -> tuple[str | None, list[list[str]]]:
    for name in ("2023", "2024", "2025"):
        (folder / f"{name}.key").write_text(f"{KEY}\n{name}\n")
    program = Program(said)
    return Stenc(Path("/dev/sg1"), folder, 1, program).settle(blank_key), program.asked[1:]


def test_the_key_of_the_volume_is_set(tmp_path: Path) -> None:
    name, asked = settled(tmp_path, OFF + LOCKED + NAMED)
    assert name == "2023"
    assert asked == [["-e", "mixed", "-k", str(tmp_path / "2023.key"), "-a", "1", "--ckod"]]


def test_a_blank_volume_gets_the_configured_key(tmp_path: Path) -> None:
    name, asked = settled(tmp_path, OFF + BLANK, "2025")
    assert name == "2025" and asked[0][3] == str(tmp_path / "2025.key")


def test_a_key_that_is_in_force_is_left(tmp_path: Path) -> None:
    assert settled(tmp_path, ON + OURS) == ("2024", [])


def test_a_plain_volume_takes_the_key_away(tmp_path: Path) -> None:
    assert settled(tmp_path, ON + PLAIN, "2025") == (None, [["-e", "off", "-a", "1"]])
    assert settled(tmp_path, OFF + PLAIN, "2025") == (None, [])


def test_a_key_that_is_not_here_is_named(tmp_path: Path) -> None:
    with pytest.raises(EncryptionKeyMissing, match=r"2023\.key"):
        Stenc(Path("/dev/sg1"), tmp_path, 1, Program(OFF + LOCKED + NAMED)).settle(None)


@pytest.mark.parametrize("fails", ["Error: You must be root to read or set encryption options on a drive!\n", ""])
def test_a_drive_that_cannot_be_asked_is_no_plain_drive(tmp_path: Path, fails: str) -> None:
    with pytest.raises(EncryptionKeyMissing, match="run as root"):
        Stenc(Path("/dev/sg1"), tmp_path, 1, Program("", fails)).settle(None)
