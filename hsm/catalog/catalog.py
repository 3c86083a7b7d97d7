"""The front of the catalog: one object that holds a sub-object for each subject."""

from types import TracebackType
from typing import BinaryIO, Self

from hsm.catalog.accounts import Accounts
from hsm.catalog.announcements import Announcements
from hsm.catalog.audit import Audit
from hsm.catalog.carts import Carts
from hsm.catalog.cleaning import Cleaning
from hsm.catalog.commitments import Commitments
from hsm.catalog.copies import Copies
from hsm.catalog.database import Database, make_engine, parse_url
from hsm.catalog.deliveries import Deliveries
from hsm.catalog.drafts import Drafts
from hsm.catalog.drives import Drives
from hsm.catalog.dump import Dump, load_into_new
from hsm.catalog.events import Events
from hsm.catalog.facts import PolicyFacts
from hsm.catalog.figures import Figures
from hsm.catalog.holds import Holds
from hsm.catalog.intake import Intake
from hsm.catalog.jobs import Jobs
from hsm.catalog.leases import Leases
from hsm.catalog.notices import Notices
from hsm.catalog.order_messages import OrderMessages
from hsm.catalog.orders import Orders
from hsm.catalog.packs import Packs
from hsm.catalog.peers import Peers
from hsm.catalog.performed import PerformedSteps
from hsm.catalog.policies import Policies
from hsm.catalog.prefetches import Prefetches
from hsm.catalog.rebuild import Rebuild
from hsm.catalog.recalls import Recalls
from hsm.catalog.release import Release
from hsm.catalog.repacks import Repacks
from hsm.catalog.requests import Requests
from hsm.catalog.schema import bring_up
from hsm.catalog.search import Search
from hsm.catalog.shelf import Shelf
from hsm.catalog.studies import Studies
from hsm.catalog.tokens import Tokens
from hsm.catalog.volumes import Volumes


class Catalog:
    """What is stored where. Threads may share one; every process opens its own.

    Every method of a sub-object is one transaction: done and durable when it returns, undone when it raises. All may
    raise CatalogUnavailable.
    """

    def __init__(self, database: Database) -> None:
        """Over a database whose schema is up; use `open`."""
        self.database = database
        self.intake = Intake(database)
        self.studies = Studies(database)
        self.search = Search(database)
        self.packs = Packs(database)
        self.copies = Copies(database)
        self.volumes = Volumes(database)
        self.shelf = Shelf(database)
        self.drives = Drives(database)
        self.cleaning = Cleaning(database)
        self.jobs = Jobs(database)
        self.recalls = Recalls(database)
        self.requests = Requests(database)
        self.carts = Carts(database)
        self.deliveries = Deliveries(database)
        self.release = Release(database)
        self.commitments = Commitments(database)
        self.announcements = Announcements(database)
        self.repacks = Repacks(database)
        self.policies = Policies(database)
        self.drafts = Drafts(database)
        self.holds = Holds(database)
        self.events = Events(database)
        self.audit = Audit(database)
        self.leases = Leases(database)
        self.accounts = Accounts(database)
        self.tokens = Tokens(database)
        self.figures = Figures(database)
        self.peers = Peers(database)
        self.notices = Notices(database)
        self.orders = Orders(database)
        self.order_messages = OrderMessages(database)
        self.performed = PerformedSteps(database)
        self.prefetches = Prefetches(database)
        self.facts = PolicyFacts(database)
        self.dump = Dump(database)
        self.rebuild = Rebuild(database)

    @classmethod
    def open(cls, url: str, pool_size: int = 5, busy_timeout_s: float = 20.0) -> Self:
        """Connect, and make or upgrade the tables. Several processes may do so at once.

        `url`: sqlite:////absolute/path/catalog.db, or postgresql://user@host/name. `busy_timeout_s`: how long a
        transaction waits for others before CatalogUnavailable.

        Raises: CatalogUnavailable, CatalogTooNew, CatalogForeign.
        """
        database = Database(make_engine(parse_url(url), pool_size, busy_timeout_s))
        try:
            bring_up(database)
        except BaseException:
            database.close()
            raise
        return cls(database)

    @classmethod
    def from_dump(cls, url: str, stream: BinaryIO) -> Self:
        """A new catalog with the content of a dump, also of one that an older version wrote. `stream` can be sought.

        Raises: DumpDamaged, CatalogTooNew; what was made until then is to be thrown away.
        """
        database = Database(make_engine(parse_url(url), 1, 20.0))
        try:
            load_into_new(database, stream)
        except BaseException:
            database.close()
            raise
        return cls(database)

    def close(self) -> None:
        """Close all connections. The object may not be used after."""
        self.database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
