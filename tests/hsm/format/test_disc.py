"""Discs: any DICOM reader opens them, stock tools prove them, and damage is noticed."""

import io
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.fileset import FileSet

from drivers import isofs
from drivers.base import Barcode
from hsm.facts import Header, SeriesUid, SopInstanceUid, StudyUid
from hsm.format import dicomdir, disc_reader
from hsm.format.directory import Directory, file_set_id
from hsm.format.disc import DiscReader, DiscTree, build_tree
from hsm.format.errors import DiscDamaged, FormatError, LayoutInvalid, MemberChanged, NotALabel, PackDamaged
from hsm.format.label import encode as encode_label
from hsm.format.media import restore
from hsm.format.reading import extract, verify_stream
from hsm.format.record_types import PRIVATE, record_type
from tests.hsm.format.samples import CT, DISC_LABEL, NOW, STUDY, Sample, dicom_file, header_of, pack_of

STORAGE = "1.2.840.10008.5.1.4.1.1."
OTHER = "1.2.840.99999.2"
CODE = {"CodeValue": "113000", "CodingSchemeDesignator": "DCM", "CodeMeaning": "Of Interest"}


def sequence(**values: Any) -> list[Any]:
    """A sequence of one item."""
    item = Dataset()
    for keyword, value in values.items():
        setattr(item, keyword, value)
    return [item]


def modifier() -> list[Any]:
    return [
        *sequence(
            RelationshipType="HAS CONCEPT MOD",
            ValueType="CODE",
            ConceptNameCodeSequence=sequence(**CODE),
            ConceptCodeSequence=sequence(**CODE),
        ),
        *sequence(RelationshipType="CONTAINS", ValueType="TEXT", TextValue="no part of a directory"),
    ]


def kinds() -> list[tuple[str, dict[str, Any], str]]:
    """SOP class, further attributes and expected record type of many kinds of objects."""
    content = {"ContentDate": "20240506", "ContentTime": "101112"}
    label = {**content, "ContentLabel": "A_LABEL"}
    report = {**content, "CompletionFlag": "COMPLETE", "VerificationFlag": "UNVERIFIED"}
    name = {"ConceptNameCodeSequence": sequence(**CODE)}
    verified = {**report, **name, "VerificationFlag": "VERIFIED"}
    observers = [*sequence(VerificationDateTime="20240507"), *sequence(VerificationDateTime="20240508101112")]
    images = sequence(ReferencedSOPClassUID=CT, ReferencedSOPInstanceUID="1.2.3")
    series = sequence(SeriesInstanceUID="1.2", ReferencedImageSequence=images)
    spectrum = {
        **content,
        "ImageType": ["ORIGINAL", "PRIMARY"],
        "NumberOfFrames": 1,
        "ReferencedImageEvidenceSequence": sequence(
            StudyInstanceUID="1.2",
            ReferencedSeriesSequence=sequence(SeriesInstanceUID="1.2.3", ReferencedSOPSequence=images),
        ),
        **dict.fromkeys(("Rows", "Columns", "DataPointRows", "DataPointColumns"), 1),
    }
    return [
        (CT, {}, "IMAGE"),
        (STORAGE + "7.4", {}, "IMAGE"),
        (STORAGE + "481.1", {}, "IMAGE"),
        (STORAGE + "481.2", {"DoseSummationType": "PLAN"}, "RT DOSE"),
        (STORAGE + "481.2", {}, PRIVATE),
        (STORAGE + "481.3", {"StructureSetLabel": "Prostata"}, "RT STRUCTURE SET"),
        (STORAGE + "481.3", {}, "RT STRUCTURE SET"),
        (STORAGE + "481.5", {"RTPlanLabel": "Plan A", "RTPlanDate": "20240506"}, "RT PLAN"),
        (STORAGE + "481.4", {}, "RT TREAT RECORD"),
        (STORAGE + "481.12", {"UserContentLabel": "LABEL"}, "RADIOTHERAPY"),
        (STORAGE + "11.1", {**label, "ReferencedSeriesSequence": series}, "PRESENTATION"),
        (STORAGE + "9.1.1", content, "WAVEFORM"),
        (STORAGE + "66", {}, "RAW DATA"),
        (STORAGE + "66.1", label, "REGISTRATION"),
        (STORAGE + "66.4", {}, "IMAGE"),
        (STORAGE + "88.11", {**report, **name, "ContentSequence": modifier()}, "SR DOCUMENT"),
        (STORAGE + "88.11", report, PRIVATE),
        (STORAGE + "88.11", {**verified, "VerifyingObserverSequence": observers}, "SR DOCUMENT"),
        (STORAGE + "88.11", verified, PRIVATE),
        (STORAGE + "88.59", {**content, **name}, "KEY OBJECT DOC"),
        (STORAGE + "104.1", {"MIMETypeOfEncapsulatedDocument": "application/pdf"}, "ENCAP DOC"),
        (STORAGE + "4.2", spectrum, "SPECTROSCOPY"),
        (STORAGE + "90.1", {"InstanceCreationDate": "20240506"}, "ASSESSMENT"),
        (STORAGE + "77.1.5.3", {}, "STEREOMETRIC"),
        (STORAGE + "67", label, "VALUE MAP"),
        (STORAGE + "68.1", content, "SURFACE SCAN"),
        ("1.2.840.10008.5.1.4.34.7", {}, "PLAN"),
        ("1.2.840.10008.5.1.4.38.1", {}, PRIVATE),
        ("1.3.12.2.1107.5.9.1", {}, PRIVATE),
    ]


def study_of_all_kinds() -> Sample:
    """One study with one series for each kind of object."""
    pairs = []
    for number, (sop_class, more, _) in enumerate(kinds(), 1):
        header = header_of(number, 1, sop_class_uid=sop_class, modality="OT", instance_number=None)
        pairs.append((header, dicom_file(header, **more)))
    return pack_of(pairs)


def plain_study() -> Sample:
    """Another patient with two series of images, one file without anything DICOM in it."""
    pairs = []
    for series in (1, 2):
        for number in (1, 2, 3):
            header = header_of(
                series,
                number,
                study_instance_uid=OTHER,
                series_instance_uid=f"{OTHER}.{series}",
                sop_instance_uid=f"{OTHER}.{series}.{number}",
                patient_id="",
                patient_name="<b>山田^太郎</b>",
                study_description="\0<script>alert('1')</script>\ud800",
                study_date=None,
                study_time="noon",
                series_number=None,
                accession_number="A&B",
            )
            pairs.append((header, dicom_file(header) if number < 3 else b"not DICOM at all"))
    return pack_of(pairs)


@dataclass(frozen=True)
class Disc:
    """A disc in all its forms."""

    tree: DiscTree
    packs: list[Sample]
    image: Path

    def reader(self) -> DiscReader:
        return DiscReader(io.BytesIO(self.image.read_bytes()))

    def damaged(self, what: bytes, how: int = 0) -> DiscReader:
        """A reader of the image with one byte of the (only) place of `what` changed."""
        data = bytearray(self.image.read_bytes())
        at = data.index(what)
        data[at + how] ^= 1
        return DiscReader(io.BytesIO(bytes(data)))


@pytest.fixture(scope="module")
def disc(tmp_path_factory: pytest.TempPathFactory) -> Disc:
    """Two packs on a disc."""
    folder = tmp_path_factory.mktemp("disc")
    packs = [study_of_all_kinds(), plain_study()]
    tree = build_tree(folder / "tree", [(pack.layout, pack.open_member) for pack in packs], DISC_LABEL, NOW)
    isofs.make_image(folder / "tree", str(DISC_LABEL.barcode), folder / "disc.iso")
    return Disc(tree, packs, folder / "disc.iso")


def run(*argv: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(a) for a in argv], cwd=cwd, capture_output=True, text=True, check=False, encoding="utf-8", errors="replace"
    )


# -- for every DICOM reader --


def leaves(path: Path) -> Iterator[Any]:
    for record in dcmread(path).DirectoryRecordSequence:
        if "ReferencedFileID" in record:
            yield record


def test_every_object_is_in_the_directory_and_its_bytes_are_the_stored_ones(disc: Disc) -> None:
    contents = {uid: content for pack in disc.packs for uid, content in pack.contents.items()}
    found = {
        record.ReferencedSOPInstanceUIDInFile: (disc.tree.root / Path(*record.ReferencedFileID)).read_bytes()
        for record in leaves(disc.tree.root / "DICOMDIR")
    }
    assert found == contents


def test_each_kind_of_object_has_its_kind_of_record(disc: Disc) -> None:
    types = {r.ReferencedSOPInstanceUIDInFile: r.DirectoryRecordType for r in leaves(disc.tree.root / "DICOMDIR")}
    for number, (sop_class, _, expected) in enumerate(kinds(), 1):
        assert types[f"{STUDY}.{number}.1"] == expected, sop_class
    private = {uid for uid, kind in types.items() if kind == PRIVATE}
    assert set(disc.tree.private) == private


def test_pydicom_opens_the_file_set(disc: Disc) -> None:
    file_set = FileSet(disc.tree.root / "DICOMDIR")
    assert file_set.ID == "D00007"
    assert f"2.25.{UUID(DISC_LABEL.uuid).int}" == file_set.UID
    assert len(file_set) == sum(len(pack.contents) for pack in disc.packs)
    assert file_set.find_values("PatientID") == ["P1", "UNKNOWN 2"]
    assert sorted(file_set.find_values("StudyInstanceUID")) == [STUDY, OTHER]


def test_dcmdump_and_dcdirdmp_read_the_directory(disc: Disc) -> None:
    dumped = run("dcmdump", "+E", disc.tree.root / "DICOMDIR")
    assert (dumped.returncode, dumped.stderr) == (0, "")
    listed = run("dcdirdmp", disc.tree.root / "DICOMDIR")
    assert listed.returncode == 0
    said = listed.stdout + listed.stderr
    assert "Error" not in said
    assert "PATIENT" in said


def test_dciodvfy_finds_no_error_in_the_directory(disc: Disc) -> None:
    checked = run("dciodvfy", disc.tree.root / "DICOMDIR")
    said = checked.stdout + checked.stderr
    assert "BasicDirectory" in said
    younger = re.compile(r"Unrecognized enumerated value <(ASSESSMENT|SURFACE SCAN|PLAN)> .* <Directory Record Type>")
    assert [line for line in said.splitlines() if line.startswith("Error") and not younger.search(line)] == []


def test_file_ids_are_made_of_what_dicom_allows(disc: Disc) -> None:
    for record in leaves(disc.tree.root / "DICOMDIR"):
        assert len(record.ReferencedFileID) <= 8
        assert all(re.fullmatch(r"[A-Z0-9_]{1,8}", part) for part in record.ReferencedFileID)


def test_names_in_any_script_and_hostile_texts_reach_the_directory_clean(disc: Disc) -> None:
    records = dcmread(disc.tree.root / "DICOMDIR").DirectoryRecordSequence
    patients = [r for r in records if r.DirectoryRecordType == "PATIENT"]
    assert [str(p.PatientName) for p in patients] == ["Müller^Änne", "<b>山田^太郎</b>"]
    assert [p.SpecificCharacterSet for p in patients] == ["ISO_IR 100", "ISO_IR 192"]
    study = [r for r in records if r.DirectoryRecordType == "STUDY"][1]
    assert study.StudyDescription == "<script>alert('1')</script>?"
    assert (study.StudyDate, study.StudyTime) == ("19000101", "000000")


# -- for people and stock tools --


def test_the_page_shows_hostile_texts_as_text(disc: Disc) -> None:
    page = (disc.tree.root / "INDEX.HTM").read_text("utf-8")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "&lt;b&gt;山田^太郎&lt;/b&gt;" in page
    assert 'href="IMAGES/P0000002"' in page
    assert "D00007" in (disc.tree.root / "README.TXT").read_text("ascii")


def extracted(disc: Disc, folder: Path) -> Path:
    """The disc as another ISO 9660 reader sees it."""
    done = run("osirrox", "-indev", f"stdio:{disc.image}", "-extract", "/", folder / "mounted")
    assert done.returncode == 0
    run("chmod", "-R", "u+rwX", folder / "mounted")
    return folder / "mounted"


def test_sha256sum_alone_proves_a_disc(disc: Disc, tmp_path: Path) -> None:
    root = extracted(disc, tmp_path)
    for number, pack in enumerate(disc.packs, 1):
        checked = run("sha256sum", "-c", "--strict", f"ARCHIVE/{number:04d}/FILES.sha256", cwd=root)
        assert checked.returncode == 0
        assert checked.stdout.count(": OK\n") == len(pack.contents) + 1
        manifest = (root / f"ARCHIVE/{number:04d}/01_MANIFEST.sha256").read_text().splitlines()
        places = (root / f"ARCHIVE/{number:04d}/FILES.sha256").read_text().splitlines()
        assert [line[:64] for line in manifest] == [line[:64] for line in places]


def test_the_program_on_the_disc_verifies_and_extracts_it(disc: Disc, tmp_path: Path) -> None:
    root = extracted(disc, tmp_path)
    done = run(sys.executable, root / "ARCHIVE" / "RESTORE.PY", "extract", root, "--to", tmp_path / "out")
    assert (done.returncode, done.stderr) == (0, "")
    contents = {uid: content for pack in disc.packs for uid, content in pack.contents.items()}
    assert {path.stem: path.read_bytes() for path in (tmp_path / "out").rglob("*.dcm")} == contents
    assert run(sys.executable, root / "ARCHIVE" / "RESTORE.PY", "list", root).returncode == 0
    victim = root / "IMAGES" / "P0000001" / "S0000001" / "I0000001"
    victim.write_bytes(b"X" + victim.read_bytes()[1:])
    (root / "IMAGES" / "P0000002" / "S0000001" / "I0000001").unlink()
    done = run(sys.executable, root / "ARCHIVE" / "RESTORE.PY", "verify", root)
    assert done.returncode == 1
    assert f"damaged: {STUDY}.1/{STUDY}.1.1.dcm" in done.stdout
    assert f"missing: {OTHER}.1/{OTHER}.1.1.dcm" in done.stdout


def test_a_disc_whose_names_lost_their_case_is_read(disc: Disc, tmp_path: Path) -> None:
    root = extracted(disc, tmp_path)
    for path in sorted(root.rglob("*"), key=lambda p: -len(p.parts)):
        path.rename(path.with_name(path.name.lower()))
    assert restore.main(["verify", str(root)]) == 0


# -- for us --


def test_a_disc_says_what_is_on_it(disc: Disc) -> None:
    reader = disc.reader()
    assert reader.label() == DISC_LABEL
    assert reader.sequences() == (1, 2)
    assert [pack.digest for pack in reader.packs()] == [pack.layout.digest for pack in disc.packs]
    assert [pack.study_json for pack in reader.packs()] == [pack.layout.study_json for pack in disc.packs]
    assert b"".join(reader.read_file("ARCHIVE/LABEL.TXT")) == encode_label(DISC_LABEL)
    first, second = disc.tree.headers
    assert (first.previous_address, first.previous_digest) == (None, None)
    assert (second.previous_address, second.previous_digest) == (1, first.pack_digest)
    assert second.previous_stream_sha256 == disc.tree.stream_sha256[0]
    assert second.study_instance_uid == OTHER


def test_a_copy_on_disc_is_the_same_stream_as_on_tape(disc: Disc) -> None:
    for number, pack in enumerate(disc.packs, 1):
        header = disc.tree.headers[number - 1]
        data = b"".join(disc.reader().stream(number))
        assert data == pack.bytes(**{name: getattr(header, name) for name in header.__dataclass_fields__})
        verified = verify_stream(disc.reader().stream(number), disc.tree.stream_sha256[number - 1], pack.layout.digest)
        assert verified.header == header
    assert [v.stream_sha256 for v in disc.reader().verify()] == list(disc.tree.stream_sha256)
    assert len(disc.reader().verify(2)) == 1


def test_members_are_read_from_a_disc_without_the_rest(disc: Disc) -> None:
    pack = disc.packs[1]
    for member in pack.layout.members:
        found, pieces = next(extract(disc.reader().stream(2, member.offset_bytes), member.offset_bytes, [member]))
        assert b"".join(pieces) == pack.contents[found.sop_instance_uid]
        assert b"".join(disc.reader().open_member(2, member)) == pack.contents[member.sop_instance_uid]
    with pytest.raises(PackDamaged, match="is not in pack number 1"):
        disc.reader().open_member(1, pack.layout.members[0])


@settings(max_examples=20)
@given(st.data())
def test_a_stream_may_begin_anywhere(disc: Disc, data: st.DataObject) -> None:
    whole = b"".join(disc.reader().stream(2))
    offset = data.draw(st.integers(0, len(whole) + 10))
    assert b"".join(disc.reader().stream(2, offset)) == whole[offset:]


def test_damage_of_a_file_names_its_member(disc: Disc) -> None:
    uid = f"{OTHER}.1.1"
    with pytest.raises(PackDamaged) as caught:
        disc.damaged(disc.packs[1].contents[uid], 5).verify()
    assert caught.value.members == (f"{OTHER}.1/{uid}.dcm",)


@pytest.mark.parametrize("name", ["00_HEADER.json", "01_MANIFEST.sha256", "02_STUDY.json", "FILES.sha256"])
def test_damage_of_what_describes_a_pack_is_noticed(disc: Disc, name: str) -> None:
    content = (disc.tree.root / "ARCHIVE" / "0002" / name).read_bytes()
    with pytest.raises(PackDamaged, match="FILES" if name == "FILES.sha256" else "damaged|does not|contradict"):
        disc.damaged(content, 30).verify()


def remade(disc: Disc, folder: Path, change: Any) -> DiscReader:
    """The disc with something changed in its tree before the image was made."""
    root = folder / "tree"
    subprocess.run(["cp", "-r", disc.tree.root, root], check=True)
    change(root)
    isofs.make_image(root, "D00007", folder / "changed.iso")
    return DiscReader(io.BytesIO((folder / "changed.iso").read_bytes()))


def test_a_missing_file_names_its_member(disc: Disc, tmp_path: Path) -> None:
    reader = remade(disc, tmp_path, lambda root: (root / "IMAGES/P0000002/S0000002/I0000003").unlink())
    with pytest.raises(PackDamaged, match="is missing") as caught:
        reader.verify()
    assert caught.value.members == (f"{OTHER}.2/{OTHER}.2.3.dcm",)


def test_a_file_of_another_size_names_its_member(disc: Disc, tmp_path: Path) -> None:
    reader = remade(disc, tmp_path, lambda root: (root / "IMAGES/P0000002/S0000002/I0000003").write_bytes(b"short"))
    with pytest.raises(PackDamaged, match="has 5 bytes instead of 16"):
        reader.verify()


def test_a_missing_pack_is_noticed(disc: Disc, tmp_path: Path) -> None:
    reader = remade(disc, tmp_path, lambda root: subprocess.run(["rm", "-r", root / "ARCHIVE/0001"], check=True))
    with pytest.raises(PackDamaged, match="a pack is missing or foreign"):
        reader.verify()


def test_a_pack_in_the_place_of_another_is_noticed(disc: Disc, tmp_path: Path) -> None:
    reader = remade(disc, tmp_path, lambda root: (root / "ARCHIVE/0002").rename(root / "ARCHIVE/0003"))
    with pytest.raises(PackDamaged, match="holds pack number 2"):
        reader.verify()


def test_a_pack_of_another_disc_is_noticed(disc: Disc, tmp_path: Path) -> None:
    label = encode_label(replace(DISC_LABEL, barcode=Barcode("D00008")))
    reader = remade(disc, tmp_path, lambda root: (root / "ARCHIVE/LABEL.TXT").write_bytes(label))
    with pytest.raises(PackDamaged, match="belongs to D00007, not to D00008"):
        reader.verify()


def test_a_disc_without_packs_is_not_called_good(disc: Disc, tmp_path: Path) -> None:
    reader = remade(disc, tmp_path, lambda root: subprocess.run(f"rm -r {root}/ARCHIVE/0*", shell=True, check=True))
    with pytest.raises(DiscDamaged, match="no packs"):
        reader.verify()


def test_a_header_of_another_length_is_noticed(disc: Disc, tmp_path: Path) -> None:
    reader = remade(disc, tmp_path, lambda root: (root / "ARCHIVE/0001/00_HEADER.json").write_bytes(b"{}"))
    with pytest.raises(PackDamaged, match="has 2 bytes"):
        reader.pack(1)


def test_a_disc_of_somebody_else_has_no_label(disc: Disc, tmp_path: Path) -> None:
    reader = remade(disc, tmp_path, lambda root: (root / "ARCHIVE/LABEL.TXT").write_bytes(bytes(70_000)))
    with pytest.raises(NotALabel, match="too long"):
        reader.label()
    (tmp_path / "b").mkdir()
    reader = remade(disc, tmp_path / "b", lambda root: (root / "ARCHIVE/LABEL.TXT").unlink())
    with pytest.raises(NotALabel, match="has no"):
        reader.label()


def test_a_disc_without_our_folders_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "HELLO.TXT").write_text("hello")
    isofs.make_image(tmp_path / "tree", "OTHER", tmp_path / "other.iso")
    reader = DiscReader(io.BytesIO((tmp_path / "other.iso").read_bytes()))
    with pytest.raises(DiscDamaged, match="ARCHIVE of the disc cannot be read"):
        reader.label()
    with pytest.raises(DiscDamaged, match="is not on the disc"):
        reader.read_file("NOTHING.TXT")


@pytest.mark.parametrize("data", [b"", bytes(100_000), b"\xff" * 100_000])
def test_what_is_no_file_system_is_refused(data: bytes) -> None:
    with pytest.raises(DiscDamaged, match="cannot be read"):
        DiscReader(io.BytesIO(data))


def test_a_disc_without_rock_ridge_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "HELLO.TXT").write_text("hello")
    image = tmp_path / "plain.iso"
    argv = ["xorriso", "-outdev", f"stdio:{image}", "-rockridge", "off", "-map", str(tmp_path / "tree"), "/"]
    subprocess.run(argv, capture_output=True, check=True)
    with pytest.raises(DiscDamaged, match="no Rock Ridge"):
        DiscReader(io.BytesIO(image.read_bytes()))


@settings(max_examples=40)
@given(st.data())
def test_no_damage_of_an_image_goes_unnoticed_or_breaks_the_reader(disc: Disc, data: st.DataObject) -> None:
    """Whatever one byte of the image is changed: every pack is good as before, or a FormatError says what is not."""
    image = bytearray(disc.image.read_bytes())
    image[data.draw(st.integers(0, len(image) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        verified = DiscReader(io.BytesIO(bytes(image))).verify()
    except FormatError:
        return
    assert [v.stream_sha256 for v in verified] == list(disc.tree.stream_sha256)


# -- building --


def test_a_member_that_changed_stops_the_building(tmp_path: Path) -> None:
    pack = plain_study()
    with pytest.raises(MemberChanged):
        build_tree(tmp_path / "tree", [(pack.layout, lambda _: io.BytesIO(b"other"))], DISC_LABEL, NOW)


def test_a_disc_needs_a_pack(tmp_path: Path) -> None:
    with pytest.raises(LayoutInvalid, match="at least one pack"):
        build_tree(tmp_path / "tree", [], DISC_LABEL, NOW)


def test_a_tree_says_how_large_it_is_and_what_recovery_data_should_cover(disc: Disc) -> None:
    files = disc.tree.files()
    assert sum(path.stat().st_size for path in files) == disc.tree.size_bytes
    assert disc.tree.root / "DICOMDIR" in files
    assert disc.tree.par2_index == disc.tree.root / "ARCHIVE" / "PAR2" / "volume.par2"


def test_an_object_in_two_packs_is_referenced_where_it_came_last(tmp_path: Path) -> None:
    old = pack_of([(header_of(1, 1), dicom_file(header_of(1, 1)))])
    moved = header_of(5, 1, sop_instance_uid=f"{STUDY}.1.1", study_instance_uid=OTHER, patient_id="P2")
    new = pack_of([(moved, dicom_file(moved))])
    tree = build_tree(tmp_path / "tree", [(p.layout, p.open_member) for p in (old, new)], DISC_LABEL, NOW)
    (record,) = leaves(tree.root / "DICOMDIR")
    assert list(record.ReferencedFileID) == ["IMAGES", "P0000002", "S0000001", "I0000001"]
    records = dcmread(tree.root / "DICOMDIR").DirectoryRecordSequence
    assert [r.PatientID for r in records if r.DirectoryRecordType == "PATIENT"] == ["P2"]
    assert (tree.root / "IMAGES" / "P0000001" / "S0000001" / "I0000001").exists()


def test_an_object_with_broken_values_gets_its_record_from_the_catalog(tmp_path: Path) -> None:
    header = header_of(1, 1, sop_class_uid=STORAGE + "481.5", instance_number=2**40, study_date=date(2024, 5, 6))
    good = dicom_file(header, RTPlanLabel="Plan", RTPlanDate="20240506")
    directory = Directory()
    for number, content in enumerate((good.replace(b"20240506", b"20249999"), good[:-6], good[:140], b"DICM")):
        path = tmp_path / f"{number}"
        path.write_bytes(content)
        one = replace(header, sop_instance_uid=SopInstanceUid(f"1.2.{number}"))
        directory.add(one, f"IMAGES/{number}", path)
    (tmp_path / "DICOMDIR").write_bytes(directory.encode("D 1-x", DISC_LABEL.uuid))
    records = list(leaves(tmp_path / "DICOMDIR"))
    assert [r.RTPlanLabel for r in records] == ["Plan", "Plan", "UNKNOWN", "UNKNOWN"]
    assert [r.RTPlanDate for r in records] == ["", "", "", ""]
    assert [r.InstanceNumber for r in records] == [1, 2, 3, 4]
    assert dcmread(tmp_path / "DICOMDIR").FileSetID == "D_1_X"


def test_an_empty_directory_can_be_encoded() -> None:
    assert b"FSID" not in Directory().encode("D1", DISC_LABEL.uuid)


@given(st.text(max_size=40))
def test_any_barcode_gives_a_file_set_id(barcode: str) -> None:
    assert re.fullmatch(r"[A-Z0-9_ ]{0,16}", file_set_id(barcode))


text = st.text(max_size=80) | st.sampled_from(["\0", "\ud800", "\\", "\x1b$B", "é", "山", "^^=^", "1" * 70, "20240101"])


@settings(max_examples=60)
@given(st.lists(st.tuples(*[text] * 9), min_size=1, max_size=3))
def test_a_directory_of_any_texts_can_be_read(rows: list[tuple[str, ...]]) -> None:
    directory = Directory()
    for number, row in enumerate(rows):
        values = dict(
            zip(
                ("patient_id", "issuer", "patient_name", "study_time", "accession_number", "study_id", "modality"),
                row,
                strict=False,
            )
        )
        header: Header = header_of(1, number, study_description=row[7], institution=row[8], **values)
        header = replace(
            header, study_instance_uid=StudyUid(f"1.{number}"), series_instance_uid=SeriesUid(f"1.{number}")
        )
        directory.add(header, "I", Path("/"))
    read = dcmread(io.BytesIO(directory.encode("D1", DISC_LABEL.uuid)))
    assert len([r for r in read.DirectoryRecordSequence if r.DirectoryRecordType == "IMAGE"]) == len(rows)
    for record in read.DirectoryRecordSequence:
        record.to_json_dict()


def test_a_sop_class_that_only_begins_like_another_is_not_taken_for_it() -> None:
    assert record_type(STORAGE + "88.590") == "SR DOCUMENT"
    assert record_type(STORAGE + "481.20") == "RADIOTHERAPY"
    assert record_type(STORAGE + "481.1.1") == "IMAGE"


def test_a_keyword_that_is_not_dicom_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="not in the DICOM dictionary"):
        dicomdir.encode("D1", "1.2", [dicomdir.Record("PATIENT", {"FavouriteColour": "blue"})])


def test_a_describing_file_that_would_fill_the_memory_is_not_read(disc: Disc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disc_reader, "_DESCRIBING_LIMIT", 100)
    with pytest.raises(DiscDamaged, match="cannot have"):
        disc.reader().pack(1)


def test_an_image_that_is_cut_off_is_noticed(disc: Disc) -> None:
    whole = disc.image.read_bytes()
    place = whole.index(disc.packs[1].contents[f"{OTHER}.2.3"])
    with pytest.raises(PackDamaged, match="cut off"):
        DiscReader(io.BytesIO(whole[: place + 5])).verify()


def test_references_that_name_nothing_are_left_out(tmp_path: Path) -> None:
    header = header_of(1, 1, sop_class_uid=STORAGE + "11.1")
    empty = sequence(ReferencedSOPInstanceUID="1.2.3")
    state = dicom_file(
        header,
        ContentLabel="X",
        ReferencedSeriesSequence=sequence(SeriesInstanceUID="1", ReferencedImageSequence=empty),
    )
    report = header_of(2, 1, sop_class_uid=STORAGE + "88.59")
    no_code = sequence(RelationshipType="HAS CONCEPT MOD", ValueType="CODE")
    title = dicom_file(report, ConceptNameCodeSequence=sequence(**CODE), ContentSequence=no_code)
    directory = Directory()
    for number, (about, content) in enumerate(((header, state), (report, title))):
        (tmp_path / str(number)).write_bytes(content)
        directory.add(about, f"IMAGES/{number}", tmp_path / str(number))
    (tmp_path / "DICOMDIR").write_bytes(directory.encode("D1", DISC_LABEL.uuid))
    records = {r.DirectoryRecordType: r for r in leaves(tmp_path / "DICOMDIR")}
    assert "ReferencedSeriesSequence" not in records["PRESENTATION"]
    assert "ContentSequence" not in records["KEY OBJECT DOC"]
