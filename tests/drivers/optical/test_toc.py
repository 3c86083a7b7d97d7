"""What xorriso said is understood: every recorded answer, and what varies in them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.optical import toc
from drivers.optical.toc import Condition, Sense, Toc, parse

RECORDED = Path(__file__).parents[1] / "recorded" / "xorriso"
DRIVE = "HL-DT-ST DVDRAM GH24 1.00"


def said(name: str) -> tuple[int, str, str]:
    """Exit status, stdout and stderr of a recorded command."""
    first, rest = (RECORDED / f"{name}.txt").read_text().split("\n", 1)
    stdout, stderr = rest.removeprefix("-- stdout\n").split("-- stderr\n")
    return int(first.removeprefix("exit ")), stdout, stderr


def both(name: str) -> str:
    return "".join(said(name)[1:])


TOCS = {
    "toc_blank": Toc(Condition.BLANK, "DVD+R", False, 0, 2_295_104 * 2048, None, DRIVE),
    "toc_no_disc": Toc(Condition.ABSENT, None, False, 0, 0, None, DRIVE),
    "toc_written": Toc(Condition.CLOSED, "DVD-ROM", False, 2688 * 2048, 0, "XORR1", DRIVE),
}


@pytest.mark.parametrize("name", TOCS)
def test_a_recorded_table_of_contents_is_understood(name: str) -> None:
    assert parse(both(name)) == TOCS[name]


CONDITIONS = {
    "burn_refused_reservation": Condition.BLANK,
    "tree_refused_reservation": Condition.BLANK,
    "tree_no_disc": Condition.ABSENT,
    "tree_on_written": Condition.CLOSED,
    "tree_tao": Condition.CLOSED,
    "tree_tao_eject": Condition.CLOSED,
    "check_media": Condition.CLOSED,
    "xorrecord_refused_reservation": Condition.BLANK,
    "xorrecord_tao": Condition.CLOSED,
}


@pytest.mark.parametrize("name", CONDITIONS)
def test_the_last_word_about_the_medium_counts(name: str) -> None:
    assert parse(both(name)).condition is CONDITIONS[name]


def test_every_recorded_answer_is_looked_at() -> None:
    names = {path.stem for path in RECORDED.glob("*.txt")}
    assert names == {*TOCS, *CONDITIONS, "check_md5", "devices"}


@pytest.mark.parametrize("text", ["", both("devices"), "xorriso : FAILURE : Cannot acquire drive '/dev/sr7'\n"])
def test_an_answer_without_a_medium_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="nothing about a medium"):
        parse(text)


@pytest.mark.parametrize(
    ("name", "completed"),
    [("xorrecord_tao", True), ("tree_tao", True), ("burn_refused_reservation", False), ("tree_no_disc", False)],
)
def test_a_burn_counts_only_when_xorriso_says_that_it_was_completed(name: str, completed: bool) -> None:
    status, _, stderr = said(name)
    assert toc.was_completed(stderr) is completed
    assert (status == 0) is completed


REASONS = {
    "tree_no_disc": "-indev differs from -outdev and -outdev media is not blank",
    "tree_on_written": "Media is not of erasable type",
    "tree_tao": "",
}


@pytest.mark.parametrize("name", REASONS)
def test_the_first_grave_message_is_the_reason(name: str) -> None:
    assert toc.reason(said(name)[2]) == REASONS[name]


@pytest.mark.parametrize(
    "name", ["burn_refused_reservation", "tree_refused_reservation", "xorrecord_refused_reservation"]
)
def test_a_refused_reservation_is_recognised(name: str) -> None:
    assert toc.refuses_reservation(said(name)[2])
    assert toc.senses(said(name)[2]) == [Sense(0x53, 5, 0x20, 0)]


def test_other_errors_are_no_refused_reservation() -> None:
    text = (
        "libburn : FAILURE : SCSI error on write(16,16): [3 0C 00] Medium error. Write error.\n"
        "libburn : FAILURE : SCSI error condition on command 5Bh CLOSE TRACK SESSION: [4 09 00] Hardware error.\n"
        "libburn : FAILURE : SCSI error condition on command 53h RESERVE TRACK: [2 04 01] Not ready.\n"
    )
    assert not toc.refuses_reservation(text)
    assert toc.senses(text) == [Sense(None, 3, 0x0C, 0), Sense(0x5B, 4, 9, 0), Sense(0x53, 2, 4, 1)]


def test_a_drive_in_use_is_recognised() -> None:
    assert toc.is_busy("libburn : SORRY : Cannot open busy device '/dev/sr0'\n")
    assert not toc.is_busy(both("tree_no_disc"))


PROFILES = {
    "DVD+R": "DVD+R",
    "DVD+R/DL": "DVD+R DL",
    "DVD-R sequential recording": "DVD-R",
    "DVD-R/DL layer jump recording": "DVD-R DL",
    "BD-R sequential recording": "BD-R",
    "BD-R random recording": "BD-R",
    "DVD-RW restricted overwrite": "DVD-RW",
    "BD-RE": "BD-RE",
    "CD-R": "CD-R",
    "is not recognizable": None,
    "": None,
}


@pytest.mark.parametrize("profile", PROFILES)
def test_media_have_our_names(profile: str) -> None:
    assert toc.medium_name(profile, 25_025_314_816) == PROFILES[profile]


def test_discs_of_three_layers_are_called_by_their_size() -> None:
    assert toc.medium_name("BD-R sequential recording", 100_103_356_416) == "BD-R XL"


@pytest.mark.parametrize(
    ("profile", "rewritable"),
    [
        ("DVD+R", False),
        ("DVD-R sequential recording", False),
        ("BD-R sequential recording", False),
        ("DVD+RW", True),
        ("DVD-RW sequential recording", True),
        ("DVD-RAM", True),
        ("BD-RE", True),
        ("CD-RW", True),
        ("stdio file, overwriteable", True),
    ],
)
def test_what_can_be_written_over_is_told_apart(profile: str, rewritable: bool) -> None:
    assert toc.is_rewritable(profile) is rewritable


def profiles(*numbers: int) -> str:
    return "".join(f"Profile      : 0x{number:04X} (some medium)\n" for number in numbers)


@pytest.mark.parametrize(
    ("text", "model"),
    [
        (profiles(0x10, 0x1B), "DVD"),
        (profiles(0x08, 0x10, 0x40), "DVD"),  # reads BD-ROM, burns none
        (profiles(0x10, 0x1B, 0x41), "BD"),
        ("xorriso : NOTE : Output device is not an MMC drive.\n", None),
    ],
)
def test_a_drive_is_called_by_the_best_it_can_burn(text: str, model: str | None) -> None:
    assert toc.drive_model(text) == model


STATUSES = {
    "is not present": Condition.ABSENT,
    "is blank": Condition.BLANK,
    "is written , is appendable": Condition.APPENDABLE,
    "is written , is closed": Condition.CLOSED,
    "is not recognizable": Condition.UNKNOWN,
    "is unsuitable": Condition.UNKNOWN,
    "is POW formatted , is written": Condition.UNKNOWN,
}


@given(
    status=st.sampled_from(sorted(STATUSES)),
    recorded=st.integers(0, 10**8),
    free=st.integers(0, 10**8),
    volume_ids=st.lists(st.from_regex(r"[A-Z0-9_]{1,16}", fullmatch=True), max_size=3),
    blanks=st.integers(0, 4),
    noise=st.lists(st.sampled_from(["xorriso : NOTE : Disc status unsuitable for writing", "Drive id     : ''", ""])),
)
def test_sizes_and_names_vary_and_are_read(
    status: str, recorded: int, free: int, volume_ids: list[str], blanks: int, noise: list[str]
) -> None:
    lines = [
        *noise,
        f"Media current:{' ' * blanks}BD-R sequential recording{' ' * blanks}",
        f"Media status : {status}",
        f"Media blocks : {recorded} readable , {free} writable , {recorded + free} overall",
        *(f"ISO session  :   {n} , {n * 32:9} , {n:9}s , {name}" for n, name in enumerate(volume_ids, 1)),
    ]
    found = parse("\n".join(lines) + "\n")
    assert found.condition is STATUSES[status]
    assert (found.recorded_bytes, found.free_bytes) == (recorded * 2048, free * 2048)
    assert found.volume_id == (volume_ids[-1] if volume_ids else None)
    assert found.medium in ("BD-R", "BD-R XL")


@given(st.text())
def test_any_text_is_understood_or_refused(text: str) -> None:
    toc.senses(text), toc.reason(text), toc.drive_model(text), toc.is_busy(text)
    try:
        parse(text)
    except ValueError:
        assert "Media status" not in text
