"""Packs, headers and objects for the tests of the format."""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, BinaryIO

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from drivers.base import RECORD_BYTES, Barcode, MediumKind
from hsm.facts import Header, Member, SeriesUid, SopInstanceUid, StudyUid
from hsm.format.header import KIND_PACK, PackHeader
from hsm.format.label import VolumeLabel
from hsm.format.pack import PackLayout, PackStream, layout
from hsm.format.reading import inputs_of
from hsm.format.study_json import PackedInstance, build, pack_order

NOW = datetime(2025, 1, 31, 12, 30, 5, tzinfo=UTC)
STUDY = "1.2.840.99999.1"
CT = "1.2.840.10008.5.1.4.1.1.2"
UUID = "5f0c3a52-8f54-4d0e-9a51-0d2b7c5b8e11"
TAPE_LABEL = VolumeLabel(Barcode("A00012L8"), UUID, MediumKind.TAPE, "LTO-8", "vault-a", NOW)
DISC_LABEL = VolumeLabel(Barcode("D00007"), UUID, MediumKind.DISC, "BD-R", "discs", NOW)


def sha256(data: bytes) -> str:
    """Digest as the format spells it."""
    return hashlib.sha256(data).hexdigest()


def header_of(series: int, number: int, **more: Any) -> Header:
    """What the catalog knows of one object."""
    values: dict[str, Any] = {
        "sop_instance_uid": SopInstanceUid(f"{STUDY}.{series}.{number}"),
        "sop_class_uid": CT,
        "transfer_syntax_uid": str(ExplicitVRLittleEndian),
        "study_instance_uid": StudyUid(STUDY),
        "series_instance_uid": SeriesUid(f"{STUDY}.{series}"),
        "patient_id": "P1",
        "patient_name": "Müller^Änne",
        "study_date": date(2024, 5, 6),
        "study_time": "101112",
        "study_id": "S1",
        "modality": "CT",
        "series_number": series,
        "instance_number": number,
    }
    return Header(**{**values, **more})


def packed(header: Header, content: bytes, dataset_offset: int = 0) -> PackedInstance:
    """An instance with these bytes."""
    return PackedInstance(
        header, len(content), sha256(content), sha256(content[dataset_offset:]), dataset_offset, NOW, "MODALITY"
    )


@dataclass(frozen=True)
class Sample:
    """A pack and the bytes it is made of."""

    layout: PackLayout
    contents: dict[str, bytes]  # by SOP Instance UID

    def open_member(self, member: Member) -> BinaryIO:
        """The stored file."""
        return io.BytesIO(self.contents[member.sop_instance_uid])

    def header(self, **more: Any) -> PackHeader:
        """A header for a tape."""
        plain = PackHeader(
            kind=KIND_PACK,
            pack_digest=self.layout.digest,
            pack_bytes=self.layout.size_bytes,
            barcode=Barcode("A00012L8"),
            volume_uuid=UUID,
            sequence=1,
            previous_address=None,
            previous_digest=None,
            previous_stream_sha256=None,
            study_instance_uid=STUDY,
            written_at=NOW,
        )
        return replace(plain, **more)

    def stream(self, **more: Any) -> PackStream:
        """A copy."""
        return PackStream(self.layout, self.header(**more), self.open_member)

    def bytes(self, **more: Any) -> bytes:
        """A copy, whole."""
        with self.stream(**more) as stream:
            return stream.read()


def pack_of(pairs: Iterable[tuple[Header, bytes]], dataset_offset: int = 0) -> Sample:
    """A pack of these objects."""
    pairs = list(pairs)
    instances = sorted((packed(header, content, dataset_offset) for header, content in pairs), key=pack_order)
    study = build(instances)
    return Sample(layout(study, inputs_of(study)), {h.sop_instance_uid: content for h, content in pairs})


def sample(sizes: Sequence[int] = (100, 0, 512, 70_000), series: int = 2) -> Sample:
    """A pack of members with these sizes, spread over some series."""
    return pack_of(
        (header_of(index % series + 1, index + 1), bytes((index * 7 + k) % 251 for k in range(size)))
        for index, size in enumerate(sizes)
    )


def records(stream: bytes, size: int = RECORD_BYTES) -> Iterator[bytes]:
    """As a drive hands them out."""
    return (stream[at : at + size] for at in range(0, len(stream), size))


def dicom_file(header: Header, **more: Any) -> bytes:
    """A small real object for a header; `more` are further attributes by keyword."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = UID(header.sop_class_uid)
    dataset.file_meta.MediaStorageSOPInstanceUID = UID(header.sop_instance_uid)
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.SOPClassUID = header.sop_class_uid
    dataset.SOPInstanceUID = header.sop_instance_uid
    dataset.StudyInstanceUID = header.study_instance_uid
    dataset.SeriesInstanceUID = header.series_instance_uid
    dataset.PatientName = header.patient_name
    dataset.PatientID = header.patient_id
    dataset.Modality = header.modality
    for keyword, value in more.items():
        setattr(dataset, keyword, value)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=True)
    return file.getvalue()


Opener = Callable[[Member], BinaryIO]
