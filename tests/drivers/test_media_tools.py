"""Disc images and recovery data, with the real tools."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pycdlib
import pytest

from drivers import isofs, par2
from drivers.command import Completed
from drivers.errors import CommandFailed, ImageDamaged, RecoveryImpossible
from drivers.generations import Use, use

_MOMENT = datetime(2024, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "a tree"
    (tree / "DICOM" / "S0000001").mkdir(parents=True)
    (tree / "DICOM" / "S0000001" / "IM000001").write_bytes(os.urandom(300_000))
    (tree / "DICOM" / "S0000001" / "IM000002").write_bytes(b"")
    (tree / "ARCHIVE").mkdir()
    (tree / "ARCHIVE" / "README.TXT").write_text("how to restore\n")
    (tree / "ARCHIVE" / "1.2.840.113619.2.55.3.604688119.971.1600000000.123 with blank.json").write_text("{}")
    return tree


def test_an_image_holds_the_tree_and_has_the_size_that_was_foretold(tree: Path, tmp_path: Path) -> None:
    image = tmp_path / "D00001.iso"
    size_bytes = isofs.make_image(tree, "D00001", image)
    assert size_bytes == image.stat().st_size == isofs.image_bytes(tree)
    isofs.check_image(image)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["D00001.iso", "a tree"]

    disc = pycdlib.PyCdlib()
    disc.open(str(image))
    try:
        assert disc.pvd.volume_identifier.rstrip() == b"D00001"
        assert disc.has_joliet() and disc.has_rock_ridge()
        for path in (p for p in tree.rglob("*") if p.is_file()):
            out = tmp_path / "out"
            disc.get_file_from_iso(str(out), rr_path="/" + str(path.relative_to(tree)))
            assert out.read_bytes() == path.read_bytes()
    finally:
        disc.close()


def test_the_same_tree_and_moment_give_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.iso", tmp_path / "second.iso"
    isofs.make_image(tree, "D00001", first, _MOMENT)
    for path in tree.rglob("*"):
        os.utime(path, (1_500_000_000, 1_500_000_000))
    isofs.make_image(tree, "D00001", second, _MOMENT)
    assert first.read_bytes() == second.read_bytes()


def test_an_older_image_is_replaced_only_by_a_whole_one(tree: Path, tmp_path: Path) -> None:
    image = tmp_path / "D00001.iso"
    image.write_bytes(b"older")
    with pytest.raises(CommandFailed):
        isofs.make_image(tmp_path / "nowhere", "D00001", image)
    assert image.read_bytes() == b"older"
    isofs.make_image(tree, "D00001", image)
    isofs.check_image(image)
    assert not list(tmp_path.glob("*.partial"))


@pytest.mark.parametrize("volume_id", ["", "lower", "TOO_LONG_FOR_JOLIET", "A-B", "A\n"])
def test_a_volume_id_that_readers_would_change_is_refused(tree: Path, tmp_path: Path, volume_id: str) -> None:
    with pytest.raises(ValueError, match="not allowed"):
        isofs.make_image(tree, volume_id, tmp_path / "x.iso")


def test_a_damaged_file_in_an_image_is_named(tree: Path, tmp_path: Path) -> None:
    image = tmp_path / "D00001.iso"
    isofs.make_image(tree, "D00001", image)
    data = image.read_bytes()
    place = data.index((tree / "DICOM" / "S0000001" / "IM000001").read_bytes()) + 1000
    image.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
    with pytest.raises(ImageDamaged, match="IM000001"):
        isofs.check_image(image)


def test_an_image_without_checksums_is_not_taken_for_a_good_one(tmp_path: Path) -> None:
    image = tmp_path / "plain.iso"
    disc = pycdlib.PyCdlib()
    disc.new(interchange_level=3)
    disc.write(str(image))
    disc.close()
    with pytest.raises(ImageDamaged, match="no checksums"):
        isofs.check_image(image)
    image.write_bytes(bytes(100_000))
    with pytest.raises(ImageDamaged):
        isofs.check_image(image)


def test_a_verdict_needs_more_than_an_exit_status() -> None:
    good = "File contents and their MD5 checksums match.\nMD5 tag range:          0 ,       1502 , + md5_match\n"
    assert isofs._verdict(Completed((), 0, good, "", 0)) == ""
    assert "status 32" in isofs._verdict(Completed((), 32, good, "", 0))
    assert "session" in isofs._verdict(Completed((), 0, good.replace("+ md5_match", "0 md5_mismatch"), "", 0))
    assert "none was found" in isofs._verdict(Completed((), 0, good.splitlines()[0], "", 0))


def test_a_size_that_is_not_told_is_an_error(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(isofs, "_recipe", lambda *_: ["true"])
    with pytest.raises(CommandFailed, match="did not say"):
        isofs.image_bytes(tree)


def test_damaged_and_missing_files_come_back(tree: Path, tmp_path: Path) -> None:
    image = tree / "DICOM" / "S0000001" / "IM000001"
    readme = tree / "ARCHIVE" / "README.TXT"
    numbered = tree / "ARCHIVE" / "README.TXT.1"  # looks like a file par2 keeps
    numbered.write_text("1\n")
    before = image.read_bytes()
    made = par2.create([image, readme, numbered], 20, tmp_path / "rec.par2", tree)
    assert made[0] == tmp_path / "rec.par2" and len(made) == 2
    index = made[0]
    assert par2.verify(index, tree) is par2.Verdict.INTACT
    par2.repair(index, tree)

    image.write_bytes(before[:5000] + b"X" + before[5001:])
    readme.write_text("somebody wrote into it\n")
    assert par2.verify(index, tree) is par2.Verdict.REPAIRABLE
    par2.repair(index, tree)
    assert image.read_bytes() == before
    assert readme.read_text() == "how to restore\n"
    assert numbered.read_text() == "1\n"
    assert {path.name for path in image.parent.iterdir()} == {"IM000001", "IM000002"}
    assert not readme.with_name("README.TXT.2").exists()
    numbered.unlink()
    par2.repair(index, tree)
    assert numbered.read_text() == "1\n"

    image.write_bytes(os.urandom(300_000))
    damaged = image.read_bytes()
    assert par2.verify(index, tree) is par2.Verdict.LOST
    with pytest.raises(RecoveryImpossible):
        par2.repair(index, tree)
    assert image.read_bytes() == damaged


def test_senseless_recovery_data_are_refused(tree: Path, tmp_path: Path) -> None:
    file = tree / "ARCHIVE" / "README.TXT"
    index = tmp_path / "rec.par2"
    for arguments, reason in (
        (([file], 0, index, tree), "ask for 1 to 100"),
        (([], 10, index, tree), "for 0"),
        (([file], 10, tmp_path / "rec.txt", tree), "must end in"),
        (([file], 10, index, tree / "DICOM"), "subpath"),
    ):
        with pytest.raises(ValueError, match=reason):
            par2.create(*arguments)
    with pytest.raises(FileNotFoundError):
        par2.create([tree / "missing"], 10, index, tree)
    with pytest.raises(CommandFailed):
        par2.create([tree / "DICOM"], 10, index, tree)
    assert not index.exists()
    par2.create([file], 10, index, tree)
    with pytest.raises(ValueError, match="is there already"):
        par2.create([file], 10, index, tree)
    with pytest.raises(CommandFailed):
        par2.verify(tmp_path / "nowhere.par2", tree)


def test_generations_are_written_one_back_and_read_two_back_only_by_lto7() -> None:
    assert [use("LTO-8", m) for m in ("LTO-9", "LTO-8", "LTO-7", "LTO-6")] == [Use.NONE, Use.WRITE, Use.WRITE, Use.NONE]
    assert [use("LTO-7", m) for m in ("LTO-6", "LTO-5")] == [Use.WRITE, Use.READ]
    assert [use("DVD", m) for m in ("DVD+R", "BD-R", "LTO-8")] == [Use.WRITE, Use.NONE, Use.NONE]
    assert use("BD", "DVD+R") is Use.WRITE
