"""The names, kinds of studies and events of the large house."""

import random
from dataclasses import dataclass

_KB, _MB = 1_000, 1_000_000
_STEMS = (
    "Acker",
    "Berg",
    "Brandt",
    "Castel",
    "Dahl",
    "Eich",
    "Falk",
    "Garcí",
    "Hart",
    "Holm",
    "Jans",
    "Kowal",
    "Lind",
    "Möll",
    "Nowak",
    "Okaf",
    "Peters",
    "Rich",
    "Schm",
    "Sørens",
    "Thom",
    "Vogel",
    "Weiß",
    "Yilm",
    "Zimm",
)
_ENDS = ("", "a", "er", "mann", "son", "sen", "ski", "idt", "or", "az", "quist", "feld", "ard", "ini", "ović", "s")
_GIVEN = (
    "Anna",
    "Åsa",
    "Ben",
    "Chidi",
    "Clara",
    "David",
    "Elif",
    "Emma",
    "François",
    "Greta",
    "Hanna",
    "Ivan",
    "Jonas",
    "José",
    "Karin",
    "Lea",
    "Luca",
    "Maria",
    "Mehmet",
    "Nina",
    "Olga",
    "Paul",
    "Petra",
    "Ravi",
    "Sofia",
    "Tomás",
    "Ute",
    "Viktor",
    "Wen",
    "Zoë",
)
_IDEOGRAPHIC = (
    "Yamada^Tarou=山田^太郎=やまだ^たろう",
    "Wang^XiaoMing=王^小明",
    "Hong^Gildong=洪^吉洞=홍^길동",
    "Satou^Hanako=佐藤^花子",
)
INSTITUTIONS = ("General Hospital", "Klinikum Nord", "Heart Centre", "Children's Hospital")


@dataclass(frozen=True)
class Kind:
    """One kind of study: how much there is of it, and what it looks like."""

    modality: str
    weight: int
    series: int
    objects: int  # in each series
    object_bytes: int
    descriptions: tuple[str, ...]
    senders: tuple[str, ...]


KINDS = (
    Kind("CR", 32, 1, 2, 8 * _MB, ("Thorax p.a.", "Hand right", "Knee left", "Pelvis", "Ankle both"), ("CR1", "CR2")),
    Kind(
        "CT", 22, 3, 4, 26 * _MB, ("CT chest", "CT abdomen with contrast", "CT head", "CT angiography"), ("CT1", "CT2")
    ),
    Kind("MR", 16, 5, 3, 12 * _MB, ("MR brain", "MR knee", "MR lumbar spine", "MR Schädel nativ"), ("MR1", "MR2")),
    Kind("US", 15, 1, 6, 1 * _MB, ("US abdomen", "US thyroid", "Echo"), ("US1", "US2", "US3")),
    Kind("MG", 8, 2, 2, 25 * _MB, ("MG screening", "MG diagnostic"), ("MG1",)),
    Kind("XA", 4, 4, 2, 30 * _MB, ("Coronary angiography", "DSA leg"), ("XA1",)),
    Kind("NM", 2, 2, 3, 600 * _KB, ("Bone scan whole body", "Thyroid scan"), ("NM1",)),
    Kind("OT", 1, 1, 1, 200 * _KB, ("Scanned consent form", ""), ("SCANNER",)),
)
_KIND_WEIGHTS = tuple(kind.weight for kind in KINDS)
EVENTS = (
    ("info", "pack_written"),
    ("info", "copy_verified"),
    ("info", "study_released"),
    ("info", "volume_mounted"),
    ("warning", "patient_name_differs"),
    ("error", "drive_failed"),
)
EVENT_WEIGHTS = (40, 30, 15, 12, 2, 1)


def name(draw: random.Random) -> str:
    """A person name as DICOM writes it, now and then in other scripts too."""
    if draw.random() < 0.01:
        return draw.choice(_IDEOGRAPHIC)
    return f"{draw.choice(_STEMS)}{draw.choice(_ENDS)}{draw.choice(_ENDS)}^{draw.choice(_GIVEN)}"


def kind(draw: random.Random) -> Kind:
    """A kind of study, as often as it comes."""
    return draw.choices(KINDS, _KIND_WEIGHTS)[0]
