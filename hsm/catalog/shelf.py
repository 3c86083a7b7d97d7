"""What a person is asked to bring, and what a person says lies outside the libraries."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, case, or_, select

from drivers.base import Barcode, MediumKind
from hsm.catalog.database import AnyRow, AnySelect, Database
from hsm.catalog.errors import VolumeRefused
from hsm.catalog.events import add
from hsm.catalog.job_rows import URGENCY, bump
from hsm.catalog.requesters import requesters_of
from hsm.catalog.rows import insert_new
from hsm.models import Job, Volume
from hsm.states import LABEL_VOLUMES, JobState, Place, VolumeState


@dataclass(frozen=True)
class WantedVolume:
    """One line of the operator's pick list."""

    barcode: Barcode | None  # None: a new volume, which has no name yet
    pool: str | None  # for which a new one is wanted
    kind: MediumKind | None
    library: str | None
    place: Place | None
    location: str  # the shelf or vault, in words
    jobs: int
    studies: int
    requesters: tuple[str, ...]  # who waits
    since: datetime  # when the oldest of the jobs was asked for
    reason: str  # what to do, in a sentence


class Shelf:
    """What a person is asked to bring, and what lies outside."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def declare(
        self, barcodes: Sequence[Barcode], kind: MediumKind, library: str, location: str, now: datetime
    ) -> None:
        """Name new blank volumes that lie on a shelf beside a library.

        Raises: VolumeRefused, naming them, when some are known already; none is entered then.
        """

        def work(connection: Connection) -> None:
            known = []
            for barcode in barcodes:
                values = {
                    "barcode": barcode,
                    "kind": kind.value,
                    "library": library,
                    "place": Place.SHELF.value,
                    "location": location,
                    "state": VolumeState.BLANK.value,
                }
                if insert_new(connection, Volume, values) is None:
                    known.append(barcode)
                add(connection, "info", "volume_declared", barcode, {"library": library, "location": location}, now)
            if known:
                raise VolumeRefused(f"the catalog knows {', '.join(known)} already: no volume was added")
            bump(connection)

        self._database.write(work)

    def wanted(self) -> list[WantedVolume]:
        """The pick list: one line for each volume that jobs wait for, those that were asked for first on top."""
        return self._database.read(_wanted)

    def asked(self, library: str, kind: MediumKind) -> tuple[Barcode, ...]:
        """The volumes of a library that jobs wait for, the most urgent first."""
        found = self._database.read(lambda connection: list(connection.execute(_waiting(library, kind))))
        return tuple(dict.fromkeys(Barcode(row.barcode) for row in found))

    def blank(self, library: str, kind: MediumKind) -> Barcode | None:
        """The volume that a blank medium becomes which a person puts into a drive of a library: the one asked for."""
        blank: ColumnElement[bool] = Volume.state.in_(sorted(LABEL_VOLUMES))
        if kind is MediumKind.DISC:  # a disc gets its label with all the rest of it, in one burn
            blank = or_(blank, (Volume.state == VolumeState.LABELLED) & (Volume.last_sequence == 0))
        elsewhere = Volume.place != Place.LIBRARY
        statement = _waiting(library, kind).where(blank, elsewhere).limit(1)
        row = self._database.read(lambda connection: connection.execute(statement).first())
        return None if row is None else Barcode(row.barcode)

    def requesters(self, job_ids: Collection[int]) -> Mapping[int, tuple[str, ...]]:
        """Who waits for each job: all who joined it."""
        return self._database.read(lambda connection: requesters_of(connection, job_ids))


def _waiting(library: str, kind: MediumKind) -> AnySelect:
    """Jobs that wait for a volume of a library."""
    return (
        select(Volume.barcode)
        .join(Job, Job.barcode == Volume.barcode)
        .where(Job.state == JobState.WAITING_OPERATOR, Volume.library == library, Volume.kind == kind)
        .order_by(case(URGENCY, value=Job.kind, else_=99), Job.created_at, Job.id)
    )


def _wanted(connection: Connection) -> list[WantedVolume]:
    rows = connection.execute(
        select(
            Job.id,
            Job.barcode,
            Job.pool,
            Job.study_fk,
            Job.created_at,
            Job.message,
            Volume.kind,
            Volume.library,
            Volume.place,
            Volume.location,
        )
        .outerjoin(Volume, Volume.barcode == Job.barcode)
        .where(Job.state == JobState.WAITING_OPERATOR)
        .order_by(Job.created_at, Job.id)
    ).all()
    names = requesters_of(connection, [row.id for row in rows])
    lines: dict[tuple[str | None, str | None], list[AnyRow]] = {}
    for row in rows:
        lines.setdefault((row.barcode, None if row.barcode else row.pool), []).append(row)
    return [_line(key, jobs, names) for key, jobs in lines.items()]


def _line(
    key: tuple[str | None, str | None], jobs: Sequence[AnyRow], names: Mapping[int, tuple[str, ...]]
) -> WantedVolume:
    first = jobs[0]
    return WantedVolume(
        barcode=None if key[0] is None else Barcode(key[0]),
        pool=first.pool,
        kind=None if first.kind is None else MediumKind(first.kind),
        library=first.library,
        place=None if first.place is None else Place(first.place),
        location=first.location or "",
        jobs=len(jobs),
        studies=len({job.study_fk for job in jobs if job.study_fk is not None}),
        requesters=tuple(dict.fromkeys(name for job in jobs for name in names.get(job.id, ()))),
        since=min(job.created_at for job in jobs),
        reason=first.message,
    )
