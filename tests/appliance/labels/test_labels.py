"""Labels are read back from the printed page by a program that is not ours, and measured."""

import re
import subprocess
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.labels import barcodes, disc, document, tape
from appliance.labels.errors import LabelRefused
from appliance.labels.numbering import next_barcodes
from appliance.labels.sheets import MARGIN_MM, PAPERS, Paper, grid
from tests.appliance.cli.conftest import build_house

DPI = 300
TAPES = [f"A{number:05d}L8" for number in range(1, 41)]


def rendered(pdf: Path) -> list[Path]:
    """The pages as grey pictures of DPI dots an inch."""
    subprocess.run(["pdftoppm", "-r", str(DPI), "-gray", pdf, pdf.with_suffix("")], check=True)
    return sorted(pdf.parent.glob(f"{pdf.stem}-*.pgm"))


def decoded(page: Path) -> set[str]:
    """What zbar reads on a page."""
    arguments = ["zbarimg", "--quiet", "--raw", "-Sdisable", "-Scode39.enable"]
    found = subprocess.run([*arguments, page], check=True, capture_output=True, text=True)
    return set(found.stdout.split())


def pixels(page: Path) -> tuple[int, int, bytes]:
    """Width, height and grey values of a page."""
    content = page.read_bytes()
    header = re.match(rb"P5\s(\d+)\s(\d+)\s255\s", content)
    assert header is not None
    return int(header[1]), int(header[2]), content[header.end() :]


def page_size_mm(pdf: Path) -> tuple[float, float]:
    said = subprocess.run(["pdfinfo", pdf], check=True, capture_output=True, text=True).stdout
    match = re.search(r"Page size:\s+([\d.]+) x ([\d.]+) pts", said)
    assert match is not None
    return float(match[1]) / 72 * 25.4, float(match[2]) / 72 * 25.4


@pytest.mark.parametrize("sheet", ["a4", "letter"])
def test_every_sticker_on_a_sheet_is_read_by_another_program(tmp_path: Path, sheet: str) -> None:
    pdf = tmp_path / "tapes.pdf"
    pages = document.write(pdf, PAPERS[sheet], TAPES, [])
    pictures = rendered(pdf)
    assert len(pictures) == pages == 2
    assert set[str]().union(*map(decoded, pictures)) == set(TAPES)
    paper = PAPERS[sheet]
    assert page_size_mm(pdf) == pytest.approx((paper.width_mm, paper.height_mm), abs=0.1)


def test_a_sticker_has_the_size_of_the_recess_and_bars_of_the_specified_width(tmp_path: Path) -> None:
    pdf = tmp_path / "one.pdf"
    document.write(pdf, Paper(98.0, 35.8), ["A00001L8"], [], coloured=False)  # a sheet with room for one
    (picture,) = rendered(pdf)
    width, height, grey = pixels(picture)
    rows = [grey[row * width : (row + 1) * width] for row in range(height)]
    dark = [row for row in range(height) if min(rows[row]) < 128]
    mm = 25.4 / DPI
    assert (dark[-1] - dark[0] + 1) * mm == pytest.approx(
        tape.HEIGHT_MM - 0.3, abs=0.35
    )  # the frame around the text ends it
    bars = rows[dark[-1] - round(5 / mm)]  # 5 mm above the lower edge: bars alone
    first = next(x for x in range(width) if bars[x] < 128)
    last = next(x for x in reversed(range(width)) if bars[x] < 128)
    assert (last - first + 1) * mm == pytest.approx(barcodes.width_mm("A00001L8", tape.NARROW_MM), abs=0.2)
    left_quiet_mm = first * mm - (98.0 - tape.WIDTH_MM) / 2
    assert left_quiet_mm > tape.QUIET_MM
    widths, x = [], first
    while x <= last:  # the lengths of dark and light runs, in millimetres
        end = next((i for i in range(x, last + 1) if (bars[i] < 128) != (bars[x] < 128)), last + 1)
        widths.append((end - x) * mm)
        x = end
    narrow = [w for w in widths if w < 0.8]
    wide = [w for w in widths if w >= 0.8]
    assert (len(narrow), len(wide)) == (10 * 6 + 9, 10 * 3)
    assert sum(narrow) / len(narrow) == pytest.approx(0.423, abs=0.03)
    assert sum(wide) / len(wide) == pytest.approx(0.423 * 2.75, abs=0.03)
    bar_rows = [row for row in dark if rows[row][first] < 128 and rows[row][last] < 128]
    assert len(bar_rows) * mm == pytest.approx(11.1, abs=0.3)


def test_a_disc_has_a_face_and_an_inlay_with_its_barcode_and_nothing_of_a_patient(tmp_path: Path) -> None:
    pdf = tmp_path / "discs.pdf"
    pages = document.write(pdf, PAPERS["a4"], [], [disc.DiscLabel("D00001", "disc_1"), disc.DiscLabel("D00002")])
    pictures = rendered(pdf)
    assert pages == 2
    assert [decoded(page) for page in pictures] == [{"D00001"}, {"D00002"}]
    text = subprocess.run(["pdftotext", "-l", "1", pdf, "-"], check=True, capture_output=True, text=True).stdout
    assert text.count("D00001") >= 5  # face, inlay, File-set ID on both, spines
    assert "DICOM File-set ID D00001" in text
    assert "Pool disc_1" in text


def test_the_face_of_a_disc_is_round_and_120_mm_wide(tmp_path: Path) -> None:
    pdf = tmp_path / "disc.pdf"
    document.write(pdf, PAPERS["letter"], [], [disc.DiscLabel("D00001")])
    (picture,) = rendered(pdf)
    width, height, grey = pixels(picture)
    middle_mm = (279.4 - 244.0) / 2 + 118.0 + 6.0 + 60.0  # of the face, from below
    row = height - round(middle_mm / 25.4 * DPI)
    drawn = [x for x in range(width) if grey[row * width + x] < 240]
    assert (drawn[-1] - drawn[0]) * 25.4 / DPI == pytest.approx(120.0, abs=0.3)


def test_colours_do_not_keep_a_sticker_from_being_read_and_skipped_places_stay_empty(tmp_path: Path) -> None:
    pdf = tmp_path / "rest.pdf"
    assert document.write(pdf, PAPERS["a4"], ["B98765L9", "CLN001L8"], [], skip=31) == 2
    assert [decoded(page) for page in rendered(pdf)] == [{"B98765L9"}, {"CLN001L8"}]


@pytest.mark.parametrize("barcode", ["A1L8", "a00001L8", "A00001X8", "A00001L8 ", "A0000ÄL8", ""])
def test_what_no_library_would_read_is_not_printed(tmp_path: Path, barcode: str) -> None:
    pdf = tmp_path / "no.pdf"
    with pytest.raises(LabelRefused):
        document.write(pdf, PAPERS["a4"], ["A00001L8", barcode], [])
    assert not pdf.exists()


@pytest.mark.parametrize("barcode", ["d1", "D_1", "DISC-WITH-A-LONG-NAME", ""])
def test_a_disc_barcode_that_cannot_be_printed_is_refused(tmp_path: Path, barcode: str) -> None:
    with pytest.raises(LabelRefused):
        document.write(tmp_path / "no.pdf", PAPERS["a4"], [], [disc.DiscLabel(barcode)])


@given(st.sampled_from(sorted(PAPERS)), st.floats(20, 150), st.floats(5, 120), st.integers(1, 60), st.integers(0, 20))
def test_labels_lie_on_the_paper_and_not_on_each_other(
    sheet: str, width_mm: float, height_mm: float, count: int, skip: int
) -> None:
    paper = PAPERS[sheet]
    places = list(grid(paper, width_mm, height_mm, 3.0, 1.0, count, skip))
    assert len(places) == count
    slack = 1e-6
    for place in places:
        assert MARGIN_MM - slack <= place.x_mm <= paper.width_mm - MARGIN_MM - width_mm + slack
        assert MARGIN_MM - slack <= place.y_mm <= paper.height_mm - MARGIN_MM - height_mm + slack
    for a, b in pairwise(places):
        apart = abs(a.x_mm - b.x_mm) >= width_mm or abs(a.y_mm - b.y_mm) >= height_mm
        assert apart or a.page != b.page


def test_numbers_go_on_behind_the_highest_that_is_known() -> None:
    known = ["A00007L8", "A00003L8", "B00099L8", "AXXXXXL8"]
    assert next_barcodes(["A?????L8"], known, 3) == ["A00008L8", "A00009L8", "A00010L8"]
    assert next_barcodes(["A?????L8"], known, 1, after="A00041L8") == ["A00042L8"]
    assert next_barcodes(["A?????L8"], known, 1, after="A00002L8") == ["A00008L8"]
    assert next_barcodes(["X*", "D????"], [], 2) == ["D0001", "D0002"]


@pytest.mark.parametrize(
    ("patterns", "count", "after", "words"),
    [
        (["A*"], 1, None, "question marks"),
        ([], 1, None, "no pattern"),
        (["A?"], 10, None, "ends before"),
        (["A?????L8"], 1, "B00001L8", "not numbered as"),
    ],
)
def test_numbers_that_cannot_be_counted_on_are_refused(
    patterns: list[str], count: int, after: str | None, words: str
) -> None:
    with pytest.raises(LabelRefused, match=words):
        next_barcodes(patterns, [], count, after)


def test_labels_at_the_command_line(tmp_path: Path) -> None:
    house = build_house(tmp_path)
    house.ok("library", "inventory")
    output = house.root / "labels.pdf"
    document = house.json("volumes", "labels", "--next", "2", "--pool", "tape_a", "-o", str(output))
    assert (document["barcodes"], document["pages"]) == (["A00004L8", "A00005L8"], 1)
    assert decoded(rendered(output)[0]) == {"A00004L8", "A00005L8"}
    other = house.root / "mixed.pdf"
    said = house.ok("volumes", "labels", "A00001L8", "D00001", "CLN001L8", "--sheet", "letter", "-o", str(other))
    assert "3 labels on 2 pages" in said
    assert [decoded(page) for page in rendered(other)] == [{"A00001L8", "CLN001L8"}, {"D00001"}]
    nowhere = house.root / "no.pdf"
    assert "capital letters" in house.fails(3, "volumes", "labels", "lower", "-o", str(nowhere))
    assert not nowhere.exists()
    assert house.run("volumes", "labels", "-o", str(nowhere)).exit_code == 2
    assert house.run("volumes", "labels", "--next", "1", "-o", str(nowhere)).exit_code == 2
    assert house.run("volumes", "labels", "A00001L8", "--sheet", "a9", "-o", str(nowhere)).exit_code == 2
    assert "tape_a, tape_b" in house.fails(4, "volumes", "labels", "--next", "1", "--pool", "x", "-o", str(nowhere))
