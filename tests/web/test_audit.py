"""What people do at the pages, and where they were stopped, is written down."""

from hsm.access.roles import Role
from hsm.atna.shipper import FIGURE
from hsm.catalog.audit import AuditFilter, AuditOutcome
from tests.web.world import World, browser


def test_a_page_that_is_refused_is_written_down_with_who_and_from_where(world: World) -> None:
    assert browser(world.services(), Role.STAFF).get("/people").status_code == 403
    [entry] = world.catalog.audit.list(AuditFilter(action="access_refused"))
    assert (entry.actor, entry.address, entry.object) == ("a-staff", "127.0.0.1", "people.index")
    assert entry.outcome == AuditOutcome.REFUSED


def test_looking_at_a_study_is_written_down_where_the_house_wants_it(world: World) -> None:
    uid = world.receive("1.2.3.1")
    browser(world.services()).get(f"/studies/{uid}")
    assert world.catalog.audit.list(AuditFilter(action="study_looked_at")) == []
    client = browser(world.services(audit_looking=True))
    client.get(f"/studies/{uid}")
    client.get(f"/studies/{uid}", headers={"HX-Request": "true"})  # refreshes itself
    [entry] = world.catalog.audit.list(AuditFilter(action="study_looked_at"))
    assert (entry.actor, entry.object) == ("a-administrator", uid)


def test_the_page_says_how_far_the_trail_was_sent_to_the_syslog_server(world: World) -> None:
    client = browser(world.services())
    assert "syslog" not in client.get("/audit").text
    now, figures = world.clock.now(), world.catalog.figures
    figures.publish({FIGURE: {"up_to": world.catalog.audit.newest_id(), "error": ""}}, now)
    assert "Sent to the syslog server up to entry" in client.get("/audit").text
    figures.publish({FIGURE: {"up_to": 0, "error": "refused"}}, now)
    text = client.get("/audit").text
    assert "The syslog server was not reached" in text and "refused" in text
