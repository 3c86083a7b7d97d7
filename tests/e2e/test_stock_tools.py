"""Volumes the engine wrote, read with programs any Debian has and the instructions that lie on them."""

import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import Settled
from tests.e2e.wire import Seen, all_seen, tool

ENTRY = struct.Struct("<QII")  # drivers/simulator/cartridge.py: offset, length, check
FILEMARK = 0xFFFFFFFF


def run(*argv: object, cwd: Path) -> str:
    """What a program prints that must succeed."""
    done = subprocess.run(
        [str(one) for one in argv], cwd=cwd, capture_output=True, text=True, errors="replace", check=False, timeout=60
    )
    assert done.returncode == 0, f"{argv}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def tape_files(cartridge: Path) -> Iterator[bytes]:
    """What `dd if=/dev/nst0` gives, tape file by tape file, from the simulated cartridge."""
    data, index = (cartridge / "data").read_bytes(), (cartridge / "index").read_bytes()
    records: list[bytes] = []
    for offset, length, _ in ENTRY.iter_unpack(index):
        if length == FILEMARK:
            yield b"".join(records)
            records = []
        else:
            records.append(data[offset : offset + length])
    assert records == [], "the tape ends without a filemark"


@pytest.mark.parametrize("barcode", ["A00001L8", "B00001L8"])
def test_a_whole_tape_is_restored_as_its_own_text_says(settled: Settled, barcode: str, tmp_path: Path) -> None:
    dumped = tmp_path / "dumped"
    dumped.mkdir()
    for number, content in enumerate(tape_files(settled.house.root / "libraries/tape/volumes" / barcode)):
        (dumped / f"file{number:05}").write_bytes(content)
    label, intro, *packs = sorted(dumped.iterdir())

    # the label: "saved as label, the sum must be the one below"
    text = label.read_text("ascii")
    assert f"barcode: {barcode}\n" in text
    (promised,) = [line.removeprefix("sha256: ") for line in text.splitlines() if line.startswith("sha256: ")]
    zeros = run("sed", "s/^sha256: .*/sha256: " + "0" * 64 + "/", label, cwd=tmp_path)
    (tmp_path / "label").write_text(zeros)
    assert run("sha256sum", "label", cwd=tmp_path).split()[0] == promised

    # by hand: tar -i and sha256sum -c, a folder for each pack
    run("tar", "-xf", intro, cwd=tmp_path)
    assert "tar -i -xf ../pack-N.tar\n  sha256sum -c 01_MANIFEST.sha256" in (tmp_path / "README.TXT").read_text()
    objects = tmp_path / "objects"
    objects.mkdir()
    for pack in packs:
        folder = tmp_path / "packs" / pack.name
        folder.mkdir(parents=True)
        run("tar", "-i", "-xf", pack, cwd=folder)
        said = run("sha256sum", "-c", "--strict", "01_MANIFEST.sha256", cwd=folder)
        assert all(line.endswith(": OK") for line in said.splitlines())
        for path in folder.rglob("*.dcm"):
            os.link(path, objects / path.name)
    assert all_seen(objects) == settled.given

    # the program on the tape agrees
    verified = run(sys.executable, "-I", "restore.py", "verify", dumped, cwd=tmp_path)
    assert verified.count("\ngood ") == len(packs)


@pytest.mark.peer
def test_a_burned_disc_is_read_by_other_programs(settled: Settled, tmp_path: Path) -> None:
    found: dict[str, Seen] = {}
    for image in sorted((settled.house.root / "libraries/disc/volumes").glob("*/image")):
        if not image.stat().st_size:
            continue
        barcode = image.parent.name
        disc = tmp_path / barcode
        (session,) = [
            line for line in run("xorriso", "-indev", image, "-toc", cwd=tmp_path).splitlines() if "ISO session" in line
        ]
        assert session.endswith(f", {barcode}")
        run("osirrox", "-indev", image, "-check_media", "--", "-extract", "/", disc, cwd=tmp_path)
        run("chmod", "-R", "u+w", disc, cwd=tmp_path)
        for files in sorted(disc.glob("ARCHIVE/*/FILES.sha256")):
            said = run("sha256sum", "-c", "--strict", files.relative_to(disc), cwd=disc)
            assert all(line.endswith(": OK") for line in said.splitlines())
        run(sys.executable, "-I", "ARCHIVE/RESTORE.PY", "verify", ".", cwd=disc)
        run("par2", "verify", "-B", ".", "ARCHIVE/PAR2/volume.par2", cwd=disc)

        # the directory for viewers lists every object on the disc
        listed = tool("dcmdump", "+P", "ReferencedFileID", disc / "DICOMDIR").splitlines()
        paths = {line[line.index("[") + 1 : line.rindex("]")].replace("\\", "/") for line in listed}
        on_disc = {str(path.relative_to(disc)) for path in (disc / "IMAGES").rglob("*") if path.is_file()}
        assert paths == on_disc
        checked = tool("dciodvfy", disc / "DICOMDIR", status=None)
        faults = [line for line in checked.splitlines() if line.startswith("Error")]
        assert faults == [], f"{barcode}: {faults}"

        objects = tmp_path / f"{barcode}-objects"
        objects.mkdir()
        for number, path in enumerate(sorted(on_disc)):
            os.link(disc / path, objects / str(number))
        found |= all_seen(objects)
    assert found == settled.given
