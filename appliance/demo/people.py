"""Invented people whose names need the character sets that real archives meet."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    """Somebody who does not exist, as an object of the given character set would name them."""

    patient_id: str
    name: str
    birth_date: str  # YYYYMMDD
    sex: str  # M, F or O
    character_set: str | tuple[str, ...]  # value or values of (0008,0005)
    institution: str
    referring_physician: str


PEOPLE = (
    Person("FIRN-0001", "Müller^Jürgen", "19520314", "M", "ISO_IR 100", "Spital Brünnli", "Weiß^Käthe"),
    Person("FIRN-0002", "O'Neill^Síle^Áine", "19870921", "F", "ISO_IR 192", "St Brigid's", "Ó Briain^Seán"),
    Person(
        "FIRN-0003",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
        "19610505",
        "M",
        ("", "ISO 2022 IR 87"),
        "Yuki Clinic",
        "Suzuki^Hanako=鈴木^花子",
    ),
    Person("FIRN-0004", "Wang^XiaoDong=王^小东", "19940212", "O", "GB18030", "雪山医院", "Li^Na=李^娜"),
    Person("FIRN-0005", "Люксембург^Роза", "19710305", "F", "ISO_IR 144", "Больница", "Иванов^Пётр"),
    Person(
        "FIRN-0006",
        "Hong^Gildong=洪^吉洞=홍^길동",
        "19480815",
        "M",
        ("", "ISO 2022 IR 149"),
        "Nun Hospital",
        "Kim^Minji=金^敏智=김^민지",
    ),
    Person("FIRN-0007", "Nilsen^Ingrid", "20190611", "F", "ISO_IR 100", "Spital Brünnli", "Ødegård^Åse"),
    Person("FIRN-0008", "Smith^Alex", "19800101", "O", "", "Snowfield General", "Jones^Robin"),
)
