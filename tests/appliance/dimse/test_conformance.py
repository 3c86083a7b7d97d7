"""The conformance statement says what the code does."""

from appliance.dimse.conformance import PAGE, classes, written
from appliance.dimse.services import Service


def test_the_statement_is_in_step_with_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert written(text) == text, "run `python -m appliance.dimse.conformance`"


def test_its_lists_are_whole() -> None:
    storage = classes([Service.STORE])
    assert "1.2.840.10008.5.1.4.1.1.2" in storage and len(storage) > 150
    assert classes([Service.ECHO, Service.COMMIT]) == ["1.2.840.10008.1.1", "1.2.840.10008.1.20.1"]
    assert len(classes([Service.FIND, Service.MOVE, Service.GET])) == 9
