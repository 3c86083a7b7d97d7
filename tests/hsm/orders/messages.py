"""Real HL7 text, as systems of hospitals send it."""

from datetime import datetime

START = "MSH|^~\\&|RIS|HOSPITAL|FIRN|ARCHIVE|20240101080000||{kind}|{control}|P|2.5.1{charset}"


def message(
    kind: str, control: str, *segments: str, charset: str = "", encoding: str = "ascii", version: str = "2.5.1"
) -> bytes:
    """A message. `charset`: of MSH-18."""
    head = START.format(kind=kind, control=control, charset="|" * 6 + charset if charset else "")
    return ("\r".join([head.replace("2.5.1", version), *segments]) + "\r").encode(encoding)


def orm(
    control: str = "1",
    doing: str = "NW",
    at: datetime | str = "20240102090000",
    *,
    order: str = "4711",
    patient: str = "PAT1",
    name: str = "DOE^JANE^^^DR",
    modality: str = "CT",
    body_part: str = "CHEST",
    study_uid: str = "",
    status: str = "",
    **options: str,
) -> bytes:
    """An ORM^O01 of a radiology system, with the identifiers where IHE's Scheduled Workflow puts them."""
    text = at if isinstance(at, str) else f"{at:%Y%m%d%H%M%S+0000}"
    rest = f"|S{order}||||{modality}|||^^^{text}|||||||7&PERFORMER&PETER"
    segments = [
        f"PID|1||{patient}^^^HOSP^MR||{name}||19700203|F",
        "PV1|1|O|CT1^^^HOSP|||||9^REFERRER^RUTH",
        f"ORC|{doing}|P{order}^RIS|F{order}^RIS||{status}||^^M20^{text}",
        f"OBR|1|P{order}^RIS|F{order}^RIS|CTCH^CT of chest^LOCAL{'|' * 11}^^^{body_part}|||A{order}|RP{order}{rest}",
    ]
    if study_uid:
        segments.append(f"ZDS|{study_uid}^RIS^Application^DICOM")
    return message("ORM^O01", control, *segments, **options)
