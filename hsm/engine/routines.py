"""The loop, and what runs on the clock beside it. APScheduler is only the clock; jobs live in the catalog."""

import threading
from collections.abc import Callable

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from hsm.access.actor import FIRN, begin
from hsm.catalog.errors import CatalogError
from hsm.engine.engine import Engine
from hsm.policy import PolicyInvalid
from hsm.ticking import NoPolicy

STOCK_EVERY_S = 3600.0  # the catalog's planner learns how much there is of what
POLL_S = 0.5  # how soon a job that another process submitted is noticed

log = structlog.get_logger()


class LeaseLost(Exception):
    """Another engine took over because this one did not renew its lease in time; nothing more is done here."""


class Routines:
    """Runs an engine for ever: ticks, inventories, lease, clean-up on the clock; steps in between."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._wanted = threading.Event()
        self._due: set[str] = set()
        self._lost = threading.Event()

    def run(self, stop: threading.Event, ready: Callable[[], None] = lambda: None) -> None:
        """Return when `stop` is set and the drives came to rest.

        Raises: LeaseLost; EngineBusy at the beginning.
        """
        engine, settings = self._engine, self._engine.settings
        begin(FIRN)  # this thread works for the house from now on, whoever started it
        engine.take_lease()
        clock = BackgroundScheduler(timezone="UTC", job_defaults={"coalesce": True, "max_instances": 1})
        clock.add_job(self._renew, "interval", seconds=settings.lease_ttl_s / 3)
        clock.start()  # before anything that takes long: a cleaner session rewinds tapes
        try:
            engine.recover()
            ready()
            self._loop(clock, stop)
        finally:
            clock.shutdown(wait=False)
            engine.close()
        if self._lost.is_set():
            raise LeaseLost("another engine took over this catalog; stop one of the two")

    def _loop(self, clock: BackgroundScheduler, stop: threading.Event) -> None:
        engine, settings = self._engine, self._engine.settings
        for name, every_s in (
            ("tick", settings.tick_every_s),
            ("inventory", settings.inventory_every_s),
            ("hands", settings.hands_every_s),
            ("tidy", 86400.0),
            ("stock", STOCK_EVERY_S),
        ):
            clock.add_job(self.ask, "interval", args=[name], seconds=every_s)
        self.ask("stock")
        self.ask("tick")
        while not stop.is_set() and not self._lost.is_set():
            self._safely(self._do_due)
            if not self._safely(engine.step):
                self._pause(stop)

    def ask(self, name: str) -> None:
        """Have something done soon that the clock would do later; any thread.

        `name`: "tick", "inventory", "hands", "tidy", "stock".
        """
        self._due.add(name)
        self._wanted.set()

    def _renew(self) -> None:
        try:
            if not self._engine.renew_lease():
                self._lost.set()
        except CatalogError as error:
            log.error("lease_not_renewed", reason=str(error))

    def _do_due(self) -> bool:
        self._wanted.clear()
        for name in sorted(self._due):
            self._due.discard(name)
            if name == "tick":
                self._tick()
            elif name == "inventory":
                self._engine.take_inventory()
            elif name == "hands":
                self._engine.look_for_tapes()
            elif name == "stock":
                self._engine.catalog.database.take_stock()
            else:
                self._engine.tidy()
        return False

    def _tick(self) -> None:
        try:
            self._engine.tick()
        except (NoPolicy, PolicyInvalid) as error:
            log.error("tick_refused", reason=str(error))

    def _safely(self, work: Callable[[], bool]) -> bool:
        """The catalog may be away for a while; the engine stays."""
        try:
            return work()
        except CatalogError as error:
            log.error("catalog_unavailable", reason=str(error))
            return False

    def _pause(self, stop: threading.Event) -> None:
        if self._engine.is_working:
            self._engine.wait_for_a_drive(POLL_S)
        elif not self._wanted.is_set():
            stop.wait(POLL_S)
