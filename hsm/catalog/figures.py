"""Figures that the clock works out, how full things were, and what came and was brought back each day."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from hsm.catalog.database import Database
from hsm.catalog.rows import chunks, table_of
from hsm.catalog.text import clean_json
from hsm.figures.tables import DayFlow, Figure, UsageSample
from hsm.figures.thinning import SAMPLE_EVERY, superfluous
from hsm.forecast import Sample


@dataclass(frozen=True)
class Published:
    """One figure and when it was worked out."""

    value: Mapping[str, Any]
    at: datetime


@dataclass(frozen=True)
class Usage:
    """How full something is."""

    used_bytes: int
    capacity_bytes: int


@dataclass(frozen=True)
class Flow:
    """What moved on one day."""

    day: date
    number: int
    size_bytes: int


class Figures:
    """Figures by name, samples by series, flows by day."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(self, figures: Mapping[str, Mapping[str, Any]], now: datetime) -> None:
        """Put new answers in the place of the old ones. Values are JSON objects without patient names."""

        def work(connection: Connection) -> None:
            for name, value in sorted(figures.items()):
                values = {"at": now, "value": clean_json(value)}
                if not connection.execute(update(Figure).where(Figure.name == name).values(**values)).rowcount:
                    connection.execute(table_of(Figure).insert().values(name=name, **values))

        self._database.write(work)

    def latest(self, names: Collection[str]) -> dict[str, Published]:
        """The latest answers; names nobody worked out yet are left out."""
        statement = select(Figure.name, Figure.value, Figure.at).where(Figure.name.in_(sorted(names)))
        return self._database.read(
            lambda connection: {name: Published(value, at) for name, value, at in connection.execute(statement)}
        )

    def sample(self, usages: Mapping[str, Usage], now: datetime) -> int:
        """Note how full things are, unless that was noted a few minutes ago; how many series were noted."""

        def work(connection: Connection) -> int:
            last = select(UsageSample.name).where(UsageSample.at > now - SAMPLE_EVERY).distinct()
            lately = set(connection.execute(last).scalars())
            rows = [
                {"name": name, "at": now, "used_bytes": usage.used_bytes, "capacity_bytes": usage.capacity_bytes}
                for name, usage in sorted(usages.items())
                if name not in lately
            ]
            if rows:
                connection.execute(table_of(UsageSample).insert(), rows)
            return len(rows)

        return self._database.write(work)

    def samples(self, name: str, since: datetime) -> list[Sample]:
        """One series from a time on, oldest first."""
        statement = (
            select(UsageSample.at, UsageSample.used_bytes)
            .where(UsageSample.name == name, UsageSample.at >= since)
            .order_by(UsageSample.at)
        )
        return self._database.read(lambda connection: [Sample(*row) for row in connection.execute(statement)])

    def thin(self, now: datetime) -> int:
        """Forget what is superfluous by its age; how many samples went."""

        def work(connection: Connection) -> int:
            names = list(connection.execute(select(UsageSample.name).distinct()).scalars())
            gone = 0
            for name in names:
                times = list(connection.execute(select(UsageSample.at).where(UsageSample.name == name)).scalars())
                for part in chunks(superfluous(times, now)):
                    mine = (UsageSample.name == name) & UsageSample.at.in_(part)
                    gone += connection.execute(delete(UsageSample).where(mine)).rowcount
            return gone

        return self._database.write(work)

    def flowed(self, name: str, flows: Sequence[Flow]) -> None:
        """Say anew what moved on some days; other days stay as they are."""

        def work(connection: Connection) -> None:
            for part in chunks([flow.day for flow in flows]):
                connection.execute(delete(DayFlow).where(DayFlow.name == name, DayFlow.day.in_(part)))
            rows = [{"name": name, "day": f.day, "number": f.number, "size_bytes": f.size_bytes} for f in flows]
            if rows:
                connection.execute(table_of(DayFlow).insert(), rows)

        self._database.write(work)

    def flows(self, name: str, until: date, days: int) -> list[Flow]:
        """Each of the last days up to `until`, oldest first; a day nobody counted is a day without anything."""
        first = until - timedelta(days=days - 1)
        statement = select(DayFlow.day, DayFlow.number, DayFlow.size_bytes).where(
            DayFlow.name == name, DayFlow.day >= first, DayFlow.day <= until
        )
        found = self._database.read(lambda connection: {row[0]: Flow(*row) for row in connection.execute(statement)})
        wanted = [first + timedelta(days=number) for number in range(days)]
        return [found.get(day, Flow(day, 0, 0)) for day in wanted]

    def last_flow(self, name: str) -> date | None:
        """The last day that was counted."""
        statement = select(func.max(DayFlow.day)).where(DayFlow.name == name)
        return self._database.read(lambda connection: connection.execute(statement).scalar())
