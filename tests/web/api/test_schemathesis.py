"""Whatever a program sends that the document allows, or forbids, the API answers as the document says."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.config import SchemathesisConfig
from schemathesis.core.parameters import ParameterLocation

from hsm.access.roles import RIGHTS, Role
from tests.web.api.conftest import program
from tests.web.world import World, busy, new_world
from web.access.tokens import new_token, wrong_tries

KNOWN: dict[str, list[Any]] = {  # what there is, so that not every question is about nothing
    "study_instance_uid": ["1.2.3.1", "1.2.3.9", "1.2.3.3"],
    "barcode": ["A00001L8", "A00003L8", "D00002"],
    "job_id": [1, 2, 3, 4, 5],
    "recall_id": [1],
    "delivery_id": [1],
    "token_id": [1],
    "hold_id": [1],
    "version": [1],
    "library": ["tape", "jukebox"],
    "number": [0, 1],
    "order_id": [1, 99],
    "name": ["a-viewer", "bert"],
}
EXAMPLES = 4  # of each operation, each way; more are worth it after a change of web/api
CONFIG = {
    "checks": {
        # What an address, a state or a version forbids is told by these; only the domain, not the document, knows it.
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "412", "422", "503"]
        },
        "negative_data_rejection": {
            "expected-statuses": ["400", "401", "403", "404", "406", "412", "413", "415", "422", "428"]
        },
        "missing_required_header": {"expected-statuses": ["428", "401", "403", "404", "415", "422"]},
    }
}


class Asker:
    """A house, and who asks it."""

    def __init__(self, world: World, role: Role) -> None:
        self.world = world
        self.role = role
        busy(world)
        program(world, Role.VIEWER)  # there is an account to be changed
        world.catalog.accounts.add("bert", "", Role.STAFF, "x", False, "test", world.clock.now())
        self.program = program(world, role)
        self.schema: Any = schemathesis.openapi.from_wsgi(
            "/api/v1/openapi.json",
            self.program.client.application,
            config=SchemathesisConfig.from_dict(CONFIG),
            headers={"Authorization": f"Bearer {self.program.token}"},
        )

    def fresh_token(self) -> dict[str, str]:
        """A token that no earlier question took back; wrong ones that were shown before do not count any more."""
        wrong_tries.storage.reset()
        tokens, name, now = self.world.catalog.tokens, f"a-{self.role.value}", self.world.clock.now()
        if tokens.use(self.program.token, "127.0.0.1", now) is None:
            self.program.token = new_token()
            tokens.add(name, "asks", RIGHTS[self.role], self.program.token, None, name, now)
        return {"Authorization": f"Bearer {self.program.token}"}


@pytest.fixture(scope="module", params=[Role.ADMINISTRATOR, Role.VIEWER])
def asker(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, stocked: Path) -> Iterator[Asker]:
    """A busy house that somebody of a role asks."""
    world = new_world(tmp_path_factory.mktemp("asked"), stocked)
    yield Asker(world, request.param)
    world.catalog.close()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_every_answer_is_as_the_document_says(asker: Asker, mode: GenerationMode) -> None:
    statuses: set[int] = set()
    turn = itertools.count()

    def ask(case: Any) -> None:
        path = case.meta.components.get(ParameterLocation.PATH)
        if path is not None and path.mode is GenerationMode.POSITIVE and next(turn) % 2:
            for name in case.path_parameters:
                case.path_parameters[name] = KNOWN[name][next(turn) // 2 % len(KNOWN[name])]
        statuses.add(case.call_and_validate(headers=asker.fresh_token()).status_code)

    limits = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    given_cases: Any = given
    for found in asker.schema.get_all_operations():
        operation = found.ok()
        if mode is GenerationMode.POSITIVE or operation.body or operation.query or operation.headers:
            limits(given_cases(operation.as_strategy(generation_mode=mode))(ask))()
    assert statuses > ({200, 404} if mode is GenerationMode.POSITIVE else {422})
