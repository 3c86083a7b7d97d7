"""02_STUDY.json: everything needed to make catalog rows again from a volume alone (docs/FORMAT.md section 2.4)."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from hsm.facts import Header, Pressed, SeriesUid, SopInstanceUid, StudyUid
from hsm.format.errors import FormatTooNew, LayoutInvalid, StudyJsonInvalid
from hsm.format.text import FORMAT_VERSION, canonical_json, is_digest, is_uid, parse_utc, utc_text

STUDY_NAME: Final = "02_STUDY.json"
_FORMAT: Final = "firn-study"
_PATIENT: Final = ("patient_id", "issuer", "patient_name", "birth_date", "sex")
_STUDY: Final = (
    "study_date",
    "study_time",
    "accession_number",
    "study_id",
    "study_description",
    "referring_physician",
    "institution",
    "character_set",
)
_SERIES: Final = ("modality", "series_number", "series_description", "body_part", "series_date", "series_time")
_INSTANCE: Final = ("sop_instance_uid", "sop_class_uid", "transfer_syntax_uid", "instance_number")
_FILE: Final = ("size_bytes", "sha256", "dataset_offset", "dataset_sha256")
_DATES: Final = frozenset({"birth_date", "study_date", "series_date"})
_NUMBERS: Final = frozenset({"series_number", "instance_number"})


@dataclass(frozen=True)
class PackedInstance:
    """One instance with all the catalog knows of it that does not change: as it was received."""

    header: Header
    size_bytes: int  # of the stored file
    sha256: str  # of the stored file
    dataset_sha256: str
    dataset_offset: int
    received_at: datetime
    source_aet: str = ""
    pressed: Pressed | None = None  # as it lies in the pack; None: as it was received

    @property
    def member_bytes(self) -> int:
        """The size of the file in the pack."""
        return self.pressed.size_bytes if self.pressed else self.size_bytes

    @property
    def member_sha256(self) -> str:
        """The digest of the file in the pack."""
        return self.pressed.sha256 if self.pressed else self.sha256

    @property
    def member_syntax(self) -> str:
        """The transfer syntax of the file in the pack."""
        return self.pressed.transfer_syntax_uid if self.pressed else self.header.transfer_syntax_uid


@dataclass(frozen=True)
class Listed:
    """One line of the listing that the manifest must agree with."""

    sop_instance_uid: SopInstanceUid
    series_instance_uid: SeriesUid
    size_bytes: int
    sha256: str


def pack_order(instance: PackedInstance) -> tuple[str, int, int, str]:
    """The order of instances in a pack: series UID, instance number (absent first), SOP Instance UID."""
    number = instance.header.instance_number
    header = instance.header
    return header.series_instance_uid, number is not None, number or 0, header.sop_instance_uid


def _filled(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Without what is empty; dates and times spelled. An object with an empty value inside its attributes keeps it."""
    spelled = ((key, value.isoformat() if isinstance(value, date) else value) for key, value in pairs)
    return {key: value for key, value in spelled if value is not None and value != "" and value != {}}


def _part(header: Header, names: Sequence[str], attributes: Mapping[str, Any]) -> dict[str, Any]:
    return _filled([*((name, getattr(header, name)) for name in names), ("attributes", attributes)])


def build(instances: Sequence[PackedInstance]) -> bytes:
    """Describe the instances of one pack, which must be in `pack_order`.

    Patient and study are taken from the first instance, each series from its first.

    Raises: LayoutInvalid when there are none, they are of several studies, or not in order.
    """
    if not instances:
        raise LayoutInvalid("a pack needs at least one instance")
    if list(instances) != sorted(instances, key=pack_order):
        raise LayoutInvalid(
            "the instances of a pack must be in the order series UID, instance number, SOP Instance UID"
        )
    first = instances[0].header
    series: dict[str, dict[str, Any]] = {}
    for instance in instances:
        header = instance.header
        if header.study_instance_uid != first.study_instance_uid:
            raise LayoutInvalid(f"a pack of study {first.study_instance_uid} cannot hold {header.sop_instance_uid}")
        uid = header.series_instance_uid
        if uid not in series:
            part = _part(header, _SERIES, header.series_attributes)
            series[uid] = {**part, "series_instance_uid": uid, "instances": []}
        series[uid]["instances"].append(
            {
                **_part(header, _INSTANCE, header.instance_attributes),
                "size_bytes": instance.size_bytes,
                "sha256": instance.sha256,
                "dataset_sha256": instance.dataset_sha256,
                "dataset_offset": instance.dataset_offset,
                "received_at": utc_text(instance.received_at),
                **_filled([("source_aet", instance.source_aet)]),
                **_pressed(instance),
            }
        )
    document = {
        "format": _FORMAT,
        "format_version": FORMAT_VERSION,
        "study_instance_uid": first.study_instance_uid,
        "patient": _part(first, _PATIENT, first.patient_attributes),
        "study": _part(first, _STUDY, first.study_attributes),
        "series": list(series.values()),
    }
    return canonical_json(document) + b"\n"


def _pressed(instance: PackedInstance) -> dict[str, Any]:
    """What is said of the file in the pack where that is not the one that was received."""
    pressed = instance.pressed
    if pressed is None:
        return {}
    received = {name: getattr(instance, name) for name in _FILE}
    received |= {"transfer_syntax_uid": instance.header.transfer_syntax_uid, "pixel_vr": pressed.pixel_vr}
    return {
        **{name: getattr(pressed, name) for name in _FILE},
        "transfer_syntax_uid": pressed.transfer_syntax_uid,
        "received": received,
    }


def _load(data: bytes) -> dict[str, Any]:
    try:
        document = json.loads(data.decode("ascii"))
    except (ValueError, RecursionError) as wrong:
        raise StudyJsonInvalid(f"02_STUDY.json is not JSON in ASCII: {type(wrong).__name__}") from None
    if not isinstance(document, dict) or document.get("format") != _FORMAT:
        raise StudyJsonInvalid("02_STUDY.json does not describe a study of Firn")
    version = document.get("format_version")
    if not isinstance(version, int):
        raise StudyJsonInvalid("02_STUDY.json does not say its format_version")
    if version > FORMAT_VERSION:
        raise FormatTooNew(f"02_STUDY.json has format {version}; this Firn reads up to {FORMAT_VERSION}")
    return document


def listing(data: bytes) -> list[Listed]:
    """UIDs, sizes and digests of the instances, in pack order: cheaper than `parse`.

    Raises: StudyJsonInvalid, FormatTooNew.
    """
    document = _load(data)
    try:
        return [_listed(series, instance) for series in document["series"] for instance in series["instances"]]
    except (KeyError, TypeError) as wrong:
        raise StudyJsonInvalid(f"02_STUDY.json lacks or misspells something: {wrong!r}") from None


def _listed(series: Mapping[str, Any], instance: Mapping[str, Any]) -> Listed:
    series_uid, sop_uid = series["series_instance_uid"], instance["sop_instance_uid"]
    size_bytes, sha256 = instance["size_bytes"], instance["sha256"]
    if not (is_uid(series_uid) and is_uid(sop_uid) and is_digest(sha256)):
        raise StudyJsonInvalid(f"02_STUDY.json lists an instance with a bad UID or digest: {sop_uid!r:.100}")
    if not isinstance(size_bytes, int) or size_bytes < 0:
        raise StudyJsonInvalid(f"02_STUDY.json lists {sop_uid} with size {size_bytes!r:.100}")
    return Listed(SopInstanceUid(sop_uid), SeriesUid(series_uid), size_bytes, sha256)


def _read(part: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """The named values of a part, with what is empty put back."""
    values: dict[str, Any] = {}
    for name in names:
        if name in _DATES:
            values[name] = date.fromisoformat(part[name]) if name in part else None
        else:
            values[name] = part.get(name, None if name in _NUMBERS else "")
    return values


def parse(data: bytes) -> tuple[PackedInstance, ...]:
    """Everything that was described, in pack order: one full Header per instance.

    Raises: StudyJsonInvalid, FormatTooNew.
    """
    document = _load(data)
    try:
        patient, study = document["patient"], document["study"]
        upper = {
            **_read(patient, _PATIENT),
            **_read(study, _STUDY),
            "study_instance_uid": StudyUid(document["study_instance_uid"]),
            "patient_attributes": patient.get("attributes", {}),
            "study_attributes": study.get("attributes", {}),
        }
        found = []
        for series in document["series"]:
            middle = {
                **upper,
                **_read(series, _SERIES),
                "series_instance_uid": SeriesUid(series["series_instance_uid"]),
                "series_attributes": series.get("attributes", {}),
            }
            found += [_instance(middle, item) for item in series["instances"]]
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise StudyJsonInvalid(f"02_STUDY.json lacks or misspells something: {wrong!r}") from None
    return tuple(found)


def _instance(middle: Mapping[str, Any], item: Mapping[str, Any]) -> PackedInstance:
    received = item.get("received", item)
    lower = {**_read(item, _INSTANCE), "transfer_syntax_uid": received.get("transfer_syntax_uid", "")}
    pressed = None
    if "received" in item:
        file = {name: item[name] for name in _FILE}
        pressed = Pressed(item["transfer_syntax_uid"], pixel_vr=str(received["pixel_vr"]), **file)
    return PackedInstance(
        header=Header(**middle, **lower, instance_attributes=item.get("attributes", {})),
        received_at=parse_utc(item["received_at"]),
        source_aet=item.get("source_aet", ""),
        pressed=pressed,
        **{name: received[name] for name in _FILE},
    )
