"""The ten most frequent tasks of each of the three users, from sign-in to result, on a running appliance."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from playwright.sync_api import Page, expect

from hsm.catalog import Catalog
from tests.browser.appliance import Appliance
from tests.browser.conftest import PATIENCE_MS, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
RESTORED_MS = 90_000  # a tape is loaded, found, read and proved meanwhile
FOUND = "#results tbody a[href^='/studies/']:not([href*='#'])"  # the studies of a search, without the links to why
expect.set_options(timeout=PATIENCE_MS)


@dataclass(frozen=True)
class Desk:
    """Somebody before a screen."""

    page: Page
    house: Appliance

    def go(self, section: str) -> None:
        """By the main navigation."""
        self.page.get_by_label("Main").get_by_role("link", name=section, exact=True).click()
        expect(self.page.get_by_label("Main").get_by_role("link", name=section, exact=True)).to_have_attribute(
            "aria-current", "page"
        )

    def open_study(self, number: int) -> None:
        """Find a study that is on tape by its accession number and open it."""
        plan = self.house.nearline[number].plan
        self.go("Studies")
        self.page.get_by_label("Patient, ID, accession number").fill(plan.accession_number)
        links = self.page.locator(FOUND)
        expect(links).to_have_count(1)
        links.click()
        expect(self.page.get_by_role("heading", name="Availability")).to_be_visible()

    def volume(self) -> str:
        """A tape with something on it."""
        with self.house.catalog() as catalog:
            return next(v.barcode for v in catalog.volumes.list(pool="tape_a") if v.last_sequence)


# -- clinical staff ----------------------------------------------------------------------------------------------------


def find_a_patient_by_a_part_of_the_name(desk: Desk) -> None:
    name = desk.house.nearline[0].plan.person.name.split("^")[0]
    desk.go("Studies")
    desk.page.get_by_label("Patient, ID, accession number").press_sequentially(name[:-1].lower())
    expect(desk.page.locator("#results tbody").first).to_contain_text(name, ignore_case=True)


def find_a_study_by_accession_number_and_open_it(desk: Desk) -> None:
    desk.open_study(0)
    expect(desk.page.locator("main")).to_contain_text(desk.house.nearline[0].plan.accession_number)


def see_how_soon_a_study_can_be_had_in_a_word(desk: Desk) -> None:
    desk.go("Studies")
    desk.page.get_by_label("Show").select_option("online")
    expect(desk.page.locator("#results tbody tr").first).to_contain_text("ONLINE", ignore_case=True)


def see_where_the_copies_of_a_study_are(desk: Desk) -> None:
    desk.open_study(1)
    copies = desk.page.get_by_role("region", name="Where its copies are")
    expect(copies).to_contain_text("tape_a")
    expect(copies).to_contain_text("tape_b")


def see_why_a_study_is_not_on_disk(desk: Desk) -> None:
    desk.open_study(1)
    expect(desk.page.get_by_role("region", name="Why it is where it is")).to_contain_text("two tapes for everything")


def have_a_study_restored_from_tape_and_watch_it_to_the_end(desk: Desk) -> None:
    desk.open_study(2)
    desk.page.get_by_role("button", name="Bring back").click()
    expect(desk.page.get_by_role("heading", name=re.compile("Request"))).to_be_visible()
    expect(desk.page.locator("main")).to_contain_text("Open it at the workstation", timeout=RESTORED_MS)


def see_what_became_of_my_requests(desk: Desk) -> None:
    desk.open_study(3)
    desk.page.get_by_role("button", name="Bring back").click()
    desk.page.goto("/requests")
    expect(desk.page.locator("main")).to_contain_text(desk.house.nearline[3].plan.person.name.split("^")[0])


def put_two_studies_into_the_cart_and_see_what_they_cost(desk: Desk) -> None:
    for number in (0, 1):
        desk.open_study(number)
        desk.page.get_by_role("button", name="Put into the cart").click()
        expect(desk.page.get_by_role("button", name="Take out of the cart")).to_be_visible()
    desk.page.goto("/cart")
    expect(desk.page.get_by_role("heading", name="2 studies")).to_be_visible()
    expect(desk.page.get_by_role("region", name="All of it")).to_contain_text("Mounts")


def empty_the_cart(desk: Desk) -> None:
    desk.open_study(4)
    desk.page.get_by_role("button", name="Put into the cart").click()
    desk.page.goto("/cart")
    desk.page.get_by_role("button", name="Empty the cart").click()
    expect(desk.page.locator("main")).to_contain_text("Your cart is empty")


def leave(desk: Desk) -> None:
    desk.page.get_by_role("button", name="Sign out").click()
    expect(desk.page.get_by_role("button", name="Sign in")).to_be_visible()
    desk.page.goto("/studies")
    expect(desk.page.get_by_role("button", name="Sign in")).to_be_visible()


# -- archivist ---------------------------------------------------------------------------------------------------------


def read_the_rules_in_force(desk: Desk) -> None:
    desk.go("Policies")
    expect(desk.page.locator("main")).to_contain_text("two tapes for everything")


def see_what_the_rules_would_do_in_a_year(desk: Desk) -> None:
    desk.page.goto("/policies/dry-run?when=year")
    expect(desk.page.locator("main")).to_contain_text(re.compile("version|rules", re.IGNORECASE))


def edit_try_save_and_undo_a_rule(desk: Desk) -> None:
    more = '\nrule "ultrasound stays":\n    when modality is US\n    keep online\n'
    with desk.house.catalog() as catalog:
        current = catalog.policies.current()
    assert current is not None
    desk.go("Policies")
    begin = desk.page.get_by_role("button", name=re.compile("Change the rules"))
    begin.or_(desk.page.get_by_role("link", name="Go on with my draft")).first.click()
    desk.page.get_by_role("link", name="Edit as text").click()
    desk.page.locator("#text").fill(current.text + more)
    desk.page.get_by_role("button", name="Keep and check").click()
    desk.page.goto("/policies/draft")
    desk.page.get_by_role("link", name="Try it on the catalog").click()
    expect(desk.page.locator("main")).to_contain_text(re.compile("in a year", re.IGNORECASE))
    desk.page.goto("/policies/draft")
    desk.page.get_by_role("link", name=re.compile("^Publish")).click()
    desk.page.locator("#reason").fill("ultrasound is asked for again and again")
    desk.page.get_by_role("button", name="Put it in force").click()
    expect(desk.page.locator("main")).to_contain_text("ultrasound stays")
    desk.page.goto(f"/policies/{current.version}")
    desk.page.locator(f"main a[href*='{current.version}'].button:not(.second)").last.click()
    desk.page.locator("#reason").fill("it was too much after all")
    desk.page.get_by_role("button", name=re.compile("in force again")).click()
    desk.page.goto("/policies")
    expect(desk.page.locator("main pre")).not_to_contain_text("ultrasound stays")


def see_which_rules_came_before(desk: Desk) -> None:
    desk.page.goto("/policies/1")
    expect(desk.page.locator("main")).to_contain_text("Not in force any more")


def list_the_volumes_of_a_pool(desk: Desk) -> None:
    desk.go("Volumes")
    desk.page.get_by_label("Pool", exact=True).select_option("tape_a")
    desk.page.get_by_role("button", name="Show").click()
    expect(desk.page.locator("main")).to_contain_text(desk.volume())
    expect(desk.page.locator("main tbody tr")).not_to_have_count(0)


def see_what_lies_on_a_tape(desk: Desk) -> None:
    barcode = desk.volume()
    desk.go("Volumes")
    desk.page.get_by_role("link", name=barcode, exact=True).first.click()
    expect(desk.page.get_by_role("heading", level=1)).to_contain_text(barcode)
    expect(desk.page.locator("main a[href^='/studies/']").first).to_be_visible()


def see_library_drives_and_slots_side_by_side(desk: Desk) -> None:
    desk.go("Library")
    expect(desk.page.get_by_role("heading", name="Drives").first).to_be_visible()
    expect(desk.page.get_by_role("heading", name="Mail slots").first).to_be_visible()


def have_the_robot_look_again(desk: Desk) -> None:
    desk.go("Library")
    desk.page.get_by_role("button", name="Look again").first.click()
    expect(desk.page.locator("main [role=status]").first).to_be_visible()


def see_which_work_is_waiting(desk: Desk) -> None:
    desk.page.goto("/jobs?state=active")
    expect(desk.page.get_by_role("heading", name="Jobs")).to_be_visible()


def see_who_did_what(desk: Desk) -> None:
    desk.page.goto("/events?name=study_received")
    desk.go("Events")
    expect(desk.page.locator("main tbody tr").first).to_be_visible()


# -- administrator -----------------------------------------------------------------------------------------------------


def see_how_full_everything_is(desk: Desk) -> None:
    desk.go("Overview")
    expect(desk.page.locator("main")).to_contain_text("tape_a")
    expect(desk.page.locator("main svg[role=img]").first).to_be_visible()


def go_from_a_number_on_the_overview_to_its_list(desk: Desk) -> None:
    desk.go("Overview")
    desk.page.locator("main a[href*='/jobs?']").first.click()
    expect(desk.page.get_by_role("heading", name="Jobs")).to_be_visible()


def see_which_jobs_failed(desk: Desk) -> None:
    desk.go("Jobs")
    desk.page.get_by_label("State").select_option("failed")
    expect(desk.page).to_have_url(re.compile("state=failed"))


def see_how_a_job_went(desk: Desk) -> None:
    desk.go("Jobs")
    desk.page.locator("main tbody a[href^='/jobs/']").first.click()
    expect(desk.page.get_by_role("heading", level=1)).to_be_visible()


def see_errors_among_the_events(desk: Desk) -> None:
    desk.page.goto("/events?level=error")
    expect(desk.page.get_by_role("heading", name="Events")).to_be_visible()


def give_somebody_an_account(desk: Desk) -> None:
    desk.go("People")
    form = desk.page.get_by_role("region", name="Another person")
    form.get_by_label("Name to sign in with").fill("newcomer")
    form.get_by_label("Is here as").select_option("viewer")
    form.get_by_role("button", name="Add").click()
    expect(desk.page.locator("main [role=status]").first).to_contain_text("newcomer")


def give_a_program_a_token_and_take_it_back(desk: Desk) -> None:
    desk.page.goto("/tokens")
    desk.page.get_by_label("What it is for").fill("a dashboard")
    desk.page.get_by_role("checkbox").first.check()
    desk.page.get_by_role("button", name="Make a token").click()
    expect(desk.page.locator("main [role=status]").first).to_contain_text("shown here once")
    desk.page.get_by_role("button", name="Take back the token for a dashboard").click()
    expect(desk.page.locator("main")).to_contain_text("taken back")


def set_a_drive_aside_and_use_it_again(desk: Desk) -> None:
    desk.page.goto("/library")
    desk.page.get_by_role("link", name=re.compile("^drive 1")).first.click()
    desk.page.get_by_text("Set it aside").first.click()
    desk.page.get_by_label("Why").fill("it rattles")
    desk.page.locator("#aside button").click()
    expect(desk.page.locator("main")).to_contain_text("it rattles")
    desk.page.get_by_role("button", name="Use it again").click()
    expect(desk.page.get_by_role("button", name="Use it again")).to_be_disabled()


def look_into_the_quarantine(desk: Desk) -> None:
    desk.go("Quarantine")
    expect(desk.page.get_by_role("heading", name=re.compile("uarantine")).first).to_be_visible()


def see_that_the_house_is_well(desk: Desk) -> None:
    assert desk.page.request.get("/readyz").ok
    desk.go("Overview")
    expect(desk.page.locator("main")).to_contain_text("engine", ignore_case=True)


Task = Callable[[Desk], None]
TASKS: dict[str, tuple[Task, ...]] = {
    "staff": (
        find_a_patient_by_a_part_of_the_name,
        find_a_study_by_accession_number_and_open_it,
        see_how_soon_a_study_can_be_had_in_a_word,
        see_where_the_copies_of_a_study_are,
        see_why_a_study_is_not_on_disk,
        have_a_study_restored_from_tape_and_watch_it_to_the_end,
        see_what_became_of_my_requests,
        put_two_studies_into_the_cart_and_see_what_they_cost,
        empty_the_cart,
        leave,
    ),
    "archivist": (
        read_the_rules_in_force,
        edit_try_save_and_undo_a_rule,
        see_what_the_rules_would_do_in_a_year,
        see_which_rules_came_before,
        list_the_volumes_of_a_pool,
        see_what_lies_on_a_tape,
        see_library_drives_and_slots_side_by_side,
        have_the_robot_look_again,
        see_which_work_is_waiting,
        see_who_did_what,
    ),
    "admin": (
        see_how_full_everything_is,
        go_from_a_number_on_the_overview_to_its_list,
        see_which_jobs_failed,
        see_how_a_job_went,
        see_errors_among_the_events,
        give_somebody_an_account,
        give_a_program_a_token_and_take_it_back,
        set_a_drive_aside_and_use_it_again,
        look_into_the_quarantine,
        see_that_the_house_is_well,
    ),
}


@pytest.mark.parametrize(
    ("name", "task"),
    [(name, task) for name, tasks in TASKS.items() for task in tasks],
    ids=lambda value: value if isinstance(value, str) else value.__name__,
)
def test_tasks(appliance: Appliance, seated: Callable[..., Page], name: str, task: Task) -> None:
    page = seated(name)
    if task is leave:
        page.context.clear_cookies()
        sign_in(page, appliance, name)  # a session of its own, which it ends
    page.goto("/")
    task(Desk(page, appliance))


def test_without_javascript_one_signs_in_finds_and_has_a_study_restored(
    appliance: Appliance, seated: Callable[..., Page]
) -> None:
    page = seated("staff", java_script_enabled=False)
    page.context.clear_cookies()
    sign_in(page, appliance, "staff")
    study = appliance.nearline[4]
    page.goto("/studies")
    page.get_by_label("Patient, ID, accession number").fill(study.plan.accession_number)
    page.get_by_role("button", name="Find", exact=True).click()
    page.locator(FOUND).click()
    page.get_by_role("button", name="Bring back").click()
    expect(page.get_by_role("heading", name=re.compile("Request"))).to_be_visible()
    with appliance.catalog() as catalog:
        assert _asked(catalog, study.study_uid)
    page.goto("/password")
    page.get_by_label("Your present password").or_(page.locator("#old")).first.fill("wrong")
    page.locator("#new").fill("another long password")
    page.locator("#again").fill("another long password")
    page.locator("main form button").click()
    expect(page.locator("#old-says")).to_contain_text("not your present password")


def _asked(catalog: Catalog, uid: str) -> bool:
    return any(request.requested_by == "staff" for request in catalog.requests.list(study_uid=uid))
