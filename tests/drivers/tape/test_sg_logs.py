"""Log pages as the real sg_logs prints them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import sg_logs, tape_alerts
from drivers.sg_logs import CapacityFacts, ErrorCounts, VolumeFacts
from tests.drivers.tape.recorded import names, recorded


def text(name: str) -> str:
    return recorded(name).stdout


def test_the_volume_page_says_who_the_cartridge_is_and_what_it_went_through() -> None:
    assert sg_logs.volume(text("logs_0x17")) == VolumeFacts(
        serial="SVOL001L6",
        barcode="VOL001L6",
        personality="Ultrium-6",
        capacity_bytes=400_000_000,
        used_bytes=30_000_000,
        mounts=1,
        written_bytes=30_000_000,
        read_bytes=10_000_000,
        write_protected=False,
        worm=False,
    )


def test_counters_of_an_invalid_page_are_not_told() -> None:
    facts = sg_logs.volume(text("logs_0x17").replace("Page valid: 1", "Page valid: 0").replace("WORM: 0", "WORM: 1"))
    assert facts == VolumeFacts("SVOL001L6", "VOL001L6", "Ultrium-6", write_protected=False, worm=True)


@pytest.mark.parametrize(
    ("name", "flags"),
    [
        ("logs_0x2e", set()),
        ("logs_0x2e-set", {3, 20}),
        ("logs_0x2e-after-read-error", {3, 4}),
        ("logs_0x2e-again", set()),
        ("logs_0x2e-changer", set()),  # sg_logs does not decode a changer's page
        ("logs_made_ta-none", set()),
        ("logs_made_ta-clean", {20}),
        ("logs_made_ta-multi", {4, 5, 9, 20, 21, 39}),
        ("logs_unsupported", set()),
    ],
)
def test_alerts_are_told_by_number(name: str, flags: set[int]) -> None:
    assert sg_logs.alerts(text(name)) == flags


def test_alerts_have_the_names_the_core_acts_on() -> None:
    assert tape_alerts.names({21, 3, 39}) == ("hard_error", "clean_periodic", "alert_39")


@given(st.frozensets(st.integers(1, 64)))
def test_any_set_of_alerts_is_found_again(flags: frozenset[int]) -> None:
    lines = [f"  {name}: {int(number in flags)}" for number, name in enumerate(tape_alerts.TEXTS, 1)]
    assert sg_logs.alerts("Tape alert page (ssc-3) [0x2e]\n" + "\n".join(lines)) == flags


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("logs_0x2", ErrorCounts(0, 0, 31457280)),
        ("logs_0x3", ErrorCounts(0, 0, 10747904)),
        ("logs_0x3-after-read-error", ErrorCounts(4, 4, 2883584)),
        ("logs_made_werr", ErrorCounts(3, 1, 123456789012)),
        ("logs_made_rerr", ErrorCounts(7, 0, 98765432109)),
        ("logs_bad-page", ErrorCounts()),
    ],
)
def test_errors_are_counted(name: str, counts: ErrorCounts) -> None:
    assert sg_logs.errors(text(name)) == counts


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("logs_0x31", CapacityFacts(370 * 2**20, 400 * 2**20)),
        ("logs_0x31-empty", CapacityFacts()),
        ("logs_made_cap", CapacityFacts(2296532 * 2**20, 2384186 * 2**20)),
    ],
)
def test_the_capacity_is_in_mebibytes(name: str, facts: CapacityFacts) -> None:
    assert sg_logs.capacity(text(name)) == facts


def test_the_pages_a_drive_has_are_listed() -> None:
    assert sg_logs.supported(text("logs_0x0")) == {0x00, 0x02, 0x03, 0x0C, 0x11, 0x17, 0x2E, 0x31}
    assert sg_logs.supported(text("logs_bad-page")) == set()


def test_a_cartridge_that_was_let_go_of_is_still_present() -> None:
    page = text("logs_0x11")
    assert sg_logs.medium_present(page) is True
    assert sg_logs.medium_present(page.replace("MOUNTED=1", "MOUNTED=0")) is False
    assert sg_logs.medium_present(page.replace("MOUNTED=1", "MOUNTED=0").replace("MPRSNT=0", "MPRSNT=1")) is True
    assert sg_logs.medium_present("") is None


def test_all_pages_at_once_hold_the_same_facts() -> None:
    everything = text("logs_all")
    assert sg_logs.volume(everything) == sg_logs.volume(text("logs_0x17"))
    assert sg_logs.capacity(everything) == sg_logs.capacity(text("logs_0x31"))
    assert sg_logs.medium_present(everything) is True


@pytest.mark.parametrize("name", names("logs_*"))
def test_every_page_is_read_as_any_other_without_harm(name: str) -> None:
    for parser in (sg_logs.volume, sg_logs.errors, sg_logs.capacity, sg_logs.alerts, sg_logs.supported):
        parser(text(name))
    sg_logs.medium_present(text(name))


@given(st.integers(0, 2**40), st.integers(0, 2**31), st.text("ABCDEF0123456789", min_size=1, max_size=32))
def test_whatever_numbers_and_blanks_a_volume_page_holds(megabytes: int, mounts: int, serial: str) -> None:
    page = (
        f"Volume statistics page (ssc-4), subpage=0\n  Page valid: 1\n  Thread count: {mounts}\n"
        f"  Lifetime megabytes written: {megabytes}\n  Volume serial number: {serial:<32}\n  Volume barcode: {'':32}\n"
    )
    facts = sg_logs.volume(page)
    assert (facts.mounts, facts.written_bytes, facts.serial) == (mounts, megabytes * 10**6, serial)
    assert (facts.barcode, facts.capacity_bytes, facts.worm) == (None, None, None)


@given(st.text())
def test_no_text_upsets_the_parsers(anything: str) -> None:
    for parser in (sg_logs.volume, sg_logs.errors, sg_logs.capacity, sg_logs.alerts, sg_logs.supported):
        parser(anything)
    sg_logs.medium_present(anything)
