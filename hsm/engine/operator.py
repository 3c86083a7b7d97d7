"""The person who fetches volumes: what is asked of them, and what goes on by itself once they did it.

Every question is worked out anew from the facts, by the same rules by which work is given to drives. So it does not
matter how it was answered: by the volume that was named, by another copy, by a further blank, by a drive that is up
again, or by a command.
"""

from collections.abc import Mapping, Sequence

import structlog

from drivers.clock import Clock
from drivers.errors import DriverError
from hsm.catalog import Catalog
from hsm.catalog.records import ElementRecord
from hsm.facts import JobRecord
from hsm.library import Library
from hsm.library.by_hand import asked_for, is_blank
from hsm.scheduler import IdleDrive, Schedule, Stuck
from hsm.states import JobKind, JobState

log = structlog.get_logger()


class Operator:
    """Asks for volumes, notices what was brought, and gives back what nobody needs."""

    def __init__(self, catalog: Catalog, libraries: Mapping[str, Library], clock: Clock) -> None:
        self._catalog = catalog
        self._libraries = {name: library for name, library in libraries.items() if library.by_hand}
        self._clock = clock
        self._worked: set[tuple[str, int]] = set()  # drives whose volume served somebody since it was put in
        self._asked_anew = False
        self._version = -1
        self._news = True

    def there_is_news(self) -> None:
        """Something was brought, moved, ended or set aside: questions may have an answer now."""
        self._news = True

    def has_news(self) -> bool:
        """Whether the questions should be looked at again; said once."""
        version = self._catalog.jobs.version()
        news = self._news or version != self._version
        self._news, self._version = False, version
        return news

    def waiting(self) -> list[JobRecord]:
        """The jobs that wait for a person."""
        return self._catalog.jobs.list(states=(JobState.WAITING_OPERATOR,), limit=100_000)

    def settle(self, waiting: Sequence[JobRecord], judged: frozenset[int], stuck: Mapping[int, Stuck]) -> bool:
        """Let go on what no longer needs a person, and ask anew where something else is needed; whether any goes on.

        `judged`: the jobs that `stuck` would name if nobody could do them.
        """
        elements = [element for element in self._catalog.volumes.elements() if element.full]
        woken = 0
        for job in waiting:
            trouble = stuck.get(job.id)
            if job.id not in judged:
                helped = _is_here(job, elements) or self._can_be_cleaned(job)
            else:
                helped = trouble is None or not trouble.needs_operator
            if helped:
                self._catalog.jobs.requeue(job.id, self._clock.now())
                woken += 1
            elif trouble is not None and (trouble.barcode, trouble.reason) != (job.barcode, job.message):
                self.ask(trouble)
        if woken:
            log.info("operator_answered", jobs=woken)
        return woken > 0

    def _can_be_cleaned(self, job: JobRecord) -> bool:
        return job.kind is JobKind.CLEAN and bool(self._catalog.cleaning.usable(str(job.payload["library"])))

    def ask(self, trouble: Stuck) -> str:
        """Make a job wait for a person.

        Blank media look all the same. So only one is asked for at a time where no robot reads what is printed on it.

        Returns: "" when it waits; otherwise why not yet, in words.
        """
        volume = None if trouble.barcode is None else self._catalog.volumes.find(trouble.barcode)
        if volume is not None and volume.library in self._libraries and is_blank(volume):
            first = self._catalog.shelf.blank(volume.library, volume.kind)
            if first is not None and first != volume.barcode:
                return f"waits until {first} was put in, so that blank ones are not confused; then: {trouble.reason}"
        self._catalog.jobs.want_operator(trouble.job_id, trouble.barcode, trouble.reason, self._clock.now())
        self._asked_anew = True
        return ""

    def worked(self, library: str, drive: int) -> None:
        """A session in this drive ended."""
        self._worked.add((library, drive))

    def look(self) -> bool:
        """After a new question: look whether the answer lies in a drive already; whether any was looked at."""
        if not self._asked_anew:
            return False
        self._asked_anew = False
        looked = False
        for library in self._libraries.values():
            if any(
                element.full and element.barcode is None for element in self._catalog.volumes.elements(library.name)
            ):
                looked |= self._take_inventory(library)
        return looked

    def look_for_tapes(self) -> bool:
        """Look into drives that say nothing by themselves when a person puts a tape in; whether any was looked at."""
        looked = False
        for library in self._libraries.values():
            if library.tapes_changed():
                looked |= self._take_inventory(library)
        return looked

    def _take_inventory(self, library: Library) -> bool:
        try:
            library.take_inventory()
        except DriverError as error:
            log.warning("drives_not_seen", library=library.name, reason=str(error))
            return False
        self._news = True
        return True

    def give_back(self, idle: Sequence[IdleDrive], schedule: Schedule) -> bool:
        """Have drives without a robot let go of volumes that nobody waits for; whether any did."""
        taken = {(a.drive.library, a.drive.index) for a in schedule.assignments}
        wanted = {eta.barcode for eta in schedule.etas.values()}
        given_back = False
        for drive in idle:
            place = (drive.library, drive.index)
            if drive.library in self._libraries and drive.loaded is not None and place not in taken:
                given_back |= drive.loaded not in wanted and self._give_back(drive)
        return given_back

    def _give_back(self, drive: IdleDrive) -> bool:
        barcode = drive.loaded
        asked = tuple(b for b in self._catalog.shelf.asked(drive.library, drive.kind) if b != barcode)
        again = self._catalog.jobs.list(states=(JobState.WAITING_RETRY,), barcode=barcode, limit=1)
        if (again and not asked) or not self._libraries[drive.library].give_back(drive.index):
            return False
        place = (drive.library, drive.index)
        wrong = bool(asked) and place not in self._worked
        words = f"{asked_for(asked)}this is {barcode}" if wrong else f"nobody waits for {barcode} now"
        self._worked.discard(place)
        fields = {"library": drive.library, "drive": drive.index, "what": words, "given_back": True}
        name, level = ("wrong_medium", "warning") if wrong else ("volume_given_back", "info")
        self._catalog.events.record(level, name, barcode or "", fields, self._clock.now())
        log.info(name, library=drive.library, drive=drive.index, volume=barcode)
        return True


def _is_here(job: JobRecord, elements: Sequence[ElementRecord]) -> bool:
    """Whether what a job that needs no schedule waits for is in a library."""
    if job.kind is JobKind.READ_FOREIGN:
        library = job.payload.get("library")
        return any(e.library == library and e.barcode is None for e in elements)
    return any(e.barcode == job.barcode for e in elements if e.barcode is not None)
