"""The planner of SQLite learns how much there is only where that matters."""

from hsm.catalog import Catalog
from hsm.catalog.rows import table_of
from hsm.models import Patient, Study
from tests.hsm.catalog.world import START


def test_few_studies_teach_the_planner_nothing_and_many_do(sqlite_url: str) -> None:
    def known(catalog: Catalog) -> int:
        count = "SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'"
        return int(catalog.database.read(lambda connection: connection.exec_driver_sql(count).scalar_one()))

    with Catalog.open(sqlite_url) as catalog:
        catalog.database.take_stock()
        assert known(catalog) == 0
        study = {"patient_fk": 1, "received_at": START, "changed_at": START}
        catalog.database.write(lambda c: c.execute(table_of(Patient).insert(), {"id": 1, "patient_id": "1"}))
        studies = [study | {"study_instance_uid": f"1.{number}"} for number in range(10_000)]
        catalog.database.write(lambda c: c.execute(table_of(Study).insert(), studies))
        catalog.database.take_stock()
        assert known(catalog) == 1
