"""A tape is restored with stock tools, and with the program that lies on it; no line of ours runs in between."""

import ast
import errno
import io
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.base import RECORD_BYTES
from hsm.format import ustar
from hsm.format.catalog_file import CatalogStream
from hsm.format.header import KIND_CATALOG
from hsm.format.label import encode
from hsm.format.media import restore
from hsm.format.tape import intro_tar, media_text
from tests.hsm.format.samples import STUDY, TAPE_LABEL, Sample, header_of, pack_of, sample

STUDY_B = "1.2.840.99999.2"
A = sample((100, 0, 300_000, 700))
B = pack_of(
    (header_of(1, n, study_instance_uid=STUDY_B, sop_instance_uid=f"{STUDY_B}.1.{n}"), bytes([n]) * 600)
    for n in range(3)
)


def catalog_stream() -> bytes:
    """A catalog file behind the packs."""
    lines = io.BytesIO(b'{"table":"studies"}\n')

    def header_for(digest: str, size: int) -> object:
        return A.header(kind=KIND_CATALOG, pack_digest=digest, pack_bytes=size, sequence=3, study_instance_uid="")

    with CatalogStream(lines, header_for) as stream:  # type: ignore[arg-type]
        return stream.read()


def tape_files() -> list[bytes]:
    """Everything on a tape, file by file."""
    b = B.bytes(sequence=2, study_instance_uid=STUDY_B)
    return [encode(TAPE_LABEL), intro_tar(TAPE_LABEL), A.bytes(), b, catalog_stream()]


@pytest.fixture
def dumped(tmp_path: Path) -> Path:
    """A folder with the files of a tape, as dd makes them."""
    folder = tmp_path / "tape"
    folder.mkdir()
    for number, content in enumerate(tape_files()):
        (folder / f"file{number}").write_bytes(content)
    return folder


def run(*argv: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(a) for a in argv], cwd=cwd, capture_output=True, text=True, check=False)


def program(dumped: Path) -> Path:
    """restore.py as GNU tar takes it from tape file 1."""
    assert run("tar", "-xf", dumped / "file1", cwd=dumped.parent).returncode == 0
    return dumped.parent / "restore.py"


def restored(folder: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in folder.rglob("*.dcm")}


def test_dd_tar_and_sha256sum_alone_restore_a_pack(dumped: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    assert run("dd", f"if={dumped / 'file2'}", f"of={tmp_path / 'pack.tar'}", "bs=256k").returncode == 0
    unpacked = run("tar", "-i", "-xf", tmp_path / "pack.tar", cwd=out)
    assert (unpacked.returncode, unpacked.stderr) == (0, "")
    checked = run("sha256sum", "-c", "--strict", "01_MANIFEST.sha256", cwd=out)
    assert checked.returncode == 0
    assert checked.stdout.count(": OK\n") == 5
    assert restored(out) == A.contents


def test_tar_takes_a_pack_from_records_as_a_tape_gives_them(dumped: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    command = f"dd if={dumped / 'file2'} bs=256k status=none | tar -i -b 512 -xf -"
    assert subprocess.run(command, shell=True, cwd=out, check=False).returncode == 0
    assert restored(out) == A.contents


def test_a_zeroed_record_is_noticed_by_sha256sum_and_costs_only_what_it_hits(dumped: Path, tmp_path: Path) -> None:
    pack = sample([200_000] * 6, series=1)
    data = bytearray(pack.bytes())
    data[2 * RECORD_BYTES : 3 * RECORD_BYTES] = bytes(RECORD_BYTES)
    out = tmp_path / "out"
    out.mkdir()
    (tmp_path / "pack.tar").write_bytes(data)
    run("tar", "-i", "-xf", tmp_path / "pack.tar", cwd=out)
    hit = range(2 * RECORD_BYTES, 3 * RECORD_BYTES)
    checked = run("sha256sum", "-c", "01_MANIFEST.sha256", cwd=out)
    assert checked.returncode == 1
    entries = pack.layout.frame.entries
    whole = [e for e in entries if e.offset_bytes + e.size_bytes <= hit.start or e.header_offset >= hit.stop]
    assert 1 < len(whole) < len(entries)
    assert {line.removesuffix(": OK") for line in checked.stdout.splitlines() if line.endswith(": OK")} == {
        entry.path for entry in whole
    }
    # restore.py knows every place from the study description, and loses only what was really hit.
    found = run(sys.executable, program(dumped), "extract", tmp_path / "pack.tar", "--to", tmp_path / "mine")
    assert found.returncode == 1
    assert "damaged: " in found.stdout
    mine = restored(tmp_path / "mine")
    spared = {
        m.sop_instance_uid
        for m in pack.layout.members
        if m.offset_bytes + m.size_bytes <= hit.start or m.offset_bytes >= hit.stop
    }
    assert mine == {uid: pack.contents[uid] for uid in spared}
    assert len(list((tmp_path / "mine").rglob("*.damaged"))) == 6 - len(spared)


def test_the_program_on_the_tape_lists_verifies_and_extracts_it(dumped: Path, tmp_path: Path) -> None:
    restore_py = program(dumped)
    assert restore_py.read_bytes() == media_text("restore.py")
    listed = run(sys.executable, restore_py, "list", dumped)
    assert (listed.returncode, listed.stderr) == (0, "")
    assert "barcode: A00012L8" in listed.stdout
    assert f"number 1: {STUDY} 'M\\xfcller^\\xc4nne', 4 images" in listed.stdout
    assert "number 3: a copy of the catalog" in listed.stdout
    verified = run(sys.executable, restore_py, "verify", dumped)
    assert verified.returncode == 0
    assert verified.stdout.count("\ngood ") == 3
    extracted = run(sys.executable, restore_py, "extract", dumped, "--to", tmp_path / "out")
    assert extracted.returncode == 0
    assert restored(tmp_path / "out") == {**A.contents, **B.contents}
    assert (tmp_path / "out" / STUDY_B / f"{STUDY}.1" / f"{STUDY_B}.1.1.dcm").exists()
    assert len(list((tmp_path / "out" / "packs").rglob("CATALOG.jsonl.gz"))) == 1


@pytest.mark.parametrize(("uid", "count"), [(STUDY_B, 3), (f"{STUDY}.2", 2), (f"{STUDY}.1.3", 1), ("9.9.9", 0)])
def test_only_what_was_asked_for_is_extracted(dumped: Path, tmp_path: Path, uid: str, count: int) -> None:
    assert restore.main(["extract", str(dumped), "--to", str(tmp_path / "out"), "--uid", uid]) == 0
    assert len(restored(tmp_path / "out")) == count


def test_the_program_needs_no_newer_python_than_it_says() -> None:
    ast.parse(media_text("restore.py"), feature_version=(3, 6))


def test_the_text_on_the_tape_names_the_tape(dumped: Path) -> None:
    with tarfile.open(dumped / "file1") as tar:
        assert tar.getnames() == ["README.TXT", "restore.py"]
    program(dumped)
    text = (dumped.parent / "README.TXT").read_text("ascii")
    assert TAPE_LABEL.barcode in text
    assert "tar -i -xf" in text


def test_a_command_that_makes_no_sense_is_refused(tmp_path: Path) -> None:
    for argv in (["extract", str(tmp_path)], ["list", str(tmp_path), "--to", "x"], []):
        with pytest.raises(SystemExit) as caught:
            restore.main(argv)
        assert caught.value.code == 2


def flipped(pack: Sample, at: int) -> bytes:
    data = bytearray(pack.bytes())
    data[at] ^= 1
    return bytes(data)


@pytest.mark.parametrize(
    ("at", "fault"),
    [
        (600, "damaged: 00_HEADER.json"),
        (5130, "damaged: 01_MANIFEST.sha256"),
        (A.layout.frame.entries[0].offset_bytes + 9, "damaged: 02_STUDY.json"),
        (A.layout.members[1].offset_bytes, f"damaged: {STUDY}.1/{STUDY}.1.3.dcm"),
    ],
)
def test_the_program_says_what_is_damaged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], at: int, fault: str
) -> None:
    (tmp_path / "pack.tar").write_bytes(flipped(A, at))
    assert restore.main(["verify", str(tmp_path / "pack.tar")]) == 1
    said = capsys.readouterr().out
    assert fault in said
    assert "NOT everything is good" in said


def test_the_program_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pack.tar").write_bytes(A.bytes()[: A.layout.members[-1].offset_bytes - 512])
    assert restore.main(["verify", str(tmp_path / "pack.tar")]) == 1
    assert f"damaged: {STUDY}.2/{STUDY}.2.4.dcm" in capsys.readouterr().out


def test_a_pack_without_its_manifest_is_not_called_good(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(A.bytes())
    data[4608:5120] = bytes(512)
    (tmp_path / "pack.tar").write_bytes(data)
    assert restore.main(["verify", str(tmp_path / "pack.tar")]) == 1
    assert "no manifest" in capsys.readouterr().out


def test_names_that_lead_elsewhere_are_never_written(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in ("../../evil.dcm", "/tmp/evil.dcm", "../1.dcm", "1.2/../3.dcm"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    restore.main(["extract", str(tmp_path / "evil.tar"), "--to", str(tmp_path / "out")])
    assert list(tmp_path.rglob("*.dcm*")) == []


class FakeTape:
    """Gives the records of tape files as the st driver does; some of them cannot be read."""

    def __init__(self, files: list[bytes], bad: set[int]) -> None:
        self._events: list[bytes | None] = []
        for file in files:
            self._events += [file[at : at + RECORD_BYTES] for at in range(0, len(file), RECORD_BYTES)] + [b""]
        self._bad = bad
        self._at = 0

    def read(self) -> bytes:
        if self._at >= len(self._events):
            return b""
        if self._at in self._bad:  # again and again, until it is passed over
            raise OSError(errno.EIO, "Input/output error")
        event = self._events[self._at]
        self._at += 1
        return event or b""

    def skip_record(self) -> None:
        if self._at >= len(self._events) or not self._events[self._at]:
            raise OSError(errno.EIO, "Input/output error")
        self._at += 1


def test_a_tape_is_read_file_by_file_to_the_end_of_data() -> None:
    tape = FakeTape(tape_files(), set())
    assert [b"".join(file) for file in restore.tape_files(tape.read, tape.skip_record)] == tape_files()


def test_an_unreadable_record_becomes_nuls_and_the_rest_is_read() -> None:
    tape = FakeTape(tape_files(), {4})
    files = [b"".join(file) for file in restore.tape_files(tape.read, tape.skip_record)]
    assert files[2] == bytes(RECORD_BYTES) + A.bytes()[RECORD_BYTES:]
    assert len(files) == 5
    assert files[3:] == tape_files()[3:]


def test_a_file_nobody_takes_is_passed_over() -> None:
    tape = FakeTape(tape_files(), set())
    assert sum(1 for _ in restore.tape_files(tape.read, tape.skip_record)) == 5


def test_an_error_at_the_end_of_data_ends_the_tape() -> None:
    tape = FakeTape([b"x"], set())

    def reads() -> Iterator[bytes]:
        yield b"x"
        yield b""

    given = reads()

    def read() -> bytes:
        for record in given:
            return record
        raise OSError(errno.EIO, "Input/output error")

    assert [b"".join(file) for file in restore.tape_files(read, FakeTape([], set()).skip_record)] == [b"x"]
    assert tape.read() == b"x"


def test_an_error_that_is_none_of_the_medium_is_not_hidden() -> None:
    def read() -> bytes:
        raise OSError(errno.EBADF, "Bad file descriptor")

    with pytest.raises(OSError, match="Bad file"):
        list(restore.tape_files(read, lambda: None))


def test_a_tape_device_is_rewound_and_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ioctl calls are those of st(4); the records come from a tape in memory."""
    tape, commands = FakeTape(tape_files(), set()), list[tuple[int, int]]()
    monkeypatch.setattr(restore, "tape_command", lambda _handle, operation, count: commands.append((operation, count)))
    monkeypatch.setattr(os, "read", lambda _handle, _size: tape.read())
    monkeypatch.setattr(stat, "S_ISCHR", lambda _mode: True)
    (tmp_path / "nst0").write_bytes(b"")
    assert restore.main(["extract", str(tmp_path / "nst0"), "--to", str(tmp_path / "out")]) == 0
    assert commands == [(restore.MTREW, 0), (restore.MTSETBLK, 0)]
    assert restored(tmp_path / "out") == {**A.contents, **B.contents}


def test_a_place_of_a_file_that_cannot_be_read_becomes_nuls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    content = os.urandom(RECORD_BYTES + 100)
    path.write_bytes(content)

    class Bad(io.FileIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() == 0:
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    monkeypatch.setattr(Path, "open", lambda self, *_mode, **_more: Bad(str(self)))
    pieces = list(restore.file_records(path))
    assert pieces[0] == bytes(RECORD_BYTES)
    assert pieces[1] == content[RECORD_BYTES:]


def test_a_member_beyond_8_gib_is_found_by_its_pax_size(tmp_path: Path) -> None:
    content = b"a small one that says its size the long way"
    header = ustar.header("1.2/3.4.dcm", 9 * 1024**3).replace(b"size=9663676416", b"size=%010d" % len(content))
    (tmp_path / "pack.tar").write_bytes(header + content.ljust(512, b"\0"))
    assert restore.main(["extract", str(tmp_path / "pack.tar"), "--to", str(tmp_path / "out")]) == 1  # no manifest
    assert [path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm.damaged")] == [content]


def test_bytes_that_only_look_like_a_header_block_are_passed_over(tmp_path: Path) -> None:
    block = bytearray(ustar.header("1.2/3.4.dcm", 5))
    block[124:136] = b"not a number"
    block[148:156] = b"%06o\0 " % (sum(block[:148]) + 256 + sum(block[156:]))
    assert restore.parse_block(bytes(block)) is None
    (tmp_path / "x").write_bytes(bytes(block))
    assert restore.main(["verify", str(tmp_path / "x")]) == 1


def test_a_study_description_that_is_no_object_is_not_followed() -> None:
    assert restore.load_json(b"[1]") == {}
    assert restore.load_json(b"\xff") == {}


def test_a_disc_file_that_cannot_be_read_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "ARCHIVE" / "0001" / "00_HEADER.json").mkdir(parents=True)
    assert restore.main(["verify", str(tmp_path)]) == 1
    assert "no manifest" in capsys.readouterr().out
