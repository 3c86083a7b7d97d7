"""Who did what: kept apart from the events, only ever added to, and forgotten only as the configuration says.

What is audited is said in one table: an event of such a name is written to both, in one transaction with the change it
tells of, so that neither is ever without the other. Each entry has what an audit message needs: actor, way in, address,
action, object, outcome (PS3.15 section A.5, RFC 3881).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from datetime import datetime
from enum import StrEnum
from operator import eq, ge, lt
from typing import Any

from sqlalchemy import ColumnElement, Connection, delete, func, select

from hsm.access.actor import FIRN, Actor, Via, present
from hsm.catalog.database import AnySelect, Database
from hsm.catalog.rows import narrowed, table_of
from hsm.catalog.text import clean, clean_json
from hsm.models import AuditEntry

STREAM_ROWS = 2000  # read at a time, so that a long list keeps no transaction open


class ObjectKind(StrEnum):
    """What something was done to."""

    ACCOUNT = "account"
    STUDY = "study"
    VOLUME = "volume"
    DRIVE = "drive"
    LIBRARY = "library"
    JOB = "job"
    POLICY = "policy"
    PAGE = "page"
    AUDIT = "audit"
    PEER = "peer"
    NOTIFICATION = "notification"


class AuditOutcome(StrEnum):
    """Whether it was done."""

    SUCCESS = "success"
    REFUSED = "refused"  # the person may not, or the state forbade it


@dataclass(frozen=True)
class AuditRecord:
    """One entry."""

    id: int
    at: datetime
    actor: str
    via: str
    address: str
    action: str  # in the past tense, as events are named
    kind: str  # ObjectKind
    object: str  # UID, barcode, LIBRARY/NUMBER, account name, job number
    outcome: str  # AuditOutcome
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class AuditFilter:
    """Which entries; what is empty confines nothing."""

    actor: str = ""
    action: str = ""
    kind: str = ""
    object: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None  # excluded


ABOUT_THEMSELVES = frozenset({"signed_in", "sign_in_refused", "association_refused"})  # whoever it is about does it
AUDITED: Mapping[str, ObjectKind] = {
    **dict.fromkeys(
        (
            "signed_in",
            "sign_in_refused",
            "signed_out",
            "user_added",
            "user_role_changed",
            "user_mail_set",
            "user_disabled",
            "user_enabled",
            "user_password_set",
            "token_made",
            "token_revoked",
            "token_refused",
        ),
        ObjectKind.ACCOUNT,
    ),
    "policy_published": ObjectKind.POLICY,
    **dict.fromkeys(
        (
            "notification_target_added",
            "notification_target_removed",
            "notification_rule_added",
            "notification_rule_removed",
        ),
        ObjectKind.NOTIFICATION,
    ),
    **dict.fromkeys(("peer_added", "peer_changed", "peer_removed", "association_refused"), ObjectKind.PEER),
    **dict.fromkeys(
        (
            "hold_placed",
            "hold_changed",
            "hold_lifted",
            "recall_requested",
            "recall_cancelled",
            "delivery_requested",
            "delivery_cancelled",
        ),
        ObjectKind.STUDY,
    ),
    **dict.fromkeys(("job_cancelled", "job_requeued"), ObjectKind.JOB),
    **dict.fromkeys(
        (
            "volume_declared",
            "volume_labelled",
            "volume_closed",
            "volume_doubted",
            "volume_cleared",
            "volume_unprotected",
            "volume_repack_began",
            "volume_repack_paused",
            "volume_repack_resumed",
            "volume_repack_cancelled",
            "volume_drained",
            "volume_erased",
            "volume_retired",
            "volume_lost",
            "volume_moved",
            "volume_verify_wanted",
            "label_wanted",
            "scan_wanted",
            "export_wanted",
            "move_wanted",
        ),
        ObjectKind.VOLUME,
    ),
    **dict.fromkeys(("inventory_wanted", "import_wanted", "read_foreign_wanted"), ObjectKind.LIBRARY),
    **dict.fromkeys(("drive_down", "drive_up", "drive_reserved", "drive_unreserved", "clean_wanted"), ObjectKind.DRIVE),
}
REFUSALS = frozenset({"sign_in_refused", "token_refused", "association_refused"})
_SAYS_WHO = ("by", "placed_by", "author", "requested_by")


def add_of_event(connection: Connection, name: str, subject: str, fields: Mapping[str, Any], now: datetime) -> None:
    """Note what an event tells of, if that is audited, in the caller's transaction."""
    kind = AUDITED.get(name)
    if kind is None:
        return
    actor, rest = _who(name, subject, fields)
    outcome = AuditOutcome.REFUSED if name in REFUSALS else AuditOutcome.SUCCESS
    add(connection, actor, name, kind, subject, outcome, rest, now)


def signed(name: str, fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """The fields of an event with who did it, where that is audited, a person acts, and the change does not say so."""
    known = present()
    if name not in AUDITED or name in ABOUT_THEMSELVES or known is None or not known.name or known == FIRN:
        return fields
    return fields if any(fields.get(key) for key in _SAYS_WHO) else {**fields, "by": known.name}


def _who(name: str, subject: str, fields: Mapping[str, Any]) -> tuple[Actor, Mapping[str, Any]]:
    said = next((str(fields[key]) for key in _SAYS_WHO if fields.get(key)), "")
    rest = {key: value for key, value in fields.items() if key not in (*_SAYS_WHO, "address")}
    known = present()
    if name in ABOUT_THEMSELVES:
        said = subject
    actor = Actor(
        (known.name if known is not None else "") or said or FIRN.name,
        FIRN.via if known is None else known.via,
        (known.address if known is not None else "") or str(fields.get("address", "")),
    )
    return (Actor(said, actor.via, actor.address) if name in ABOUT_THEMSELVES else actor), rest


def add(
    connection: Connection,
    actor: Actor,
    action: str,
    kind: ObjectKind,
    object_: str,
    outcome: AuditOutcome,
    fields: Mapping[str, Any],
    now: datetime,
) -> None:
    """Note one entry in the caller's transaction."""
    values = {
        "at": now,
        "actor": clean(actor.name),
        "via": actor.via.value,
        "address": clean(actor.address),
        "action": action,
        "kind": kind.value,
        "object": clean(object_),
        "outcome": outcome.value,
        "fields": clean_json(fields),
    }
    connection.execute(table_of(AuditEntry).insert().values(**values))


class Audit:
    """The audit trail. Nothing here changes an entry; `prune` alone takes some away, and leaves one that says so."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def record(
        self,
        actor: Actor,
        action: str,
        kind: ObjectKind,
        object_: str,
        now: datetime,
        outcome: AuditOutcome = AuditOutcome.SUCCESS,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Note what no event tells of: a page looked at, something refused. No patient names."""
        self._database.write(
            lambda connection: add(connection, actor, action, kind, object_, outcome, fields or {}, now)
        )

    def list(self, wanted: AuditFilter, limit: int = 100, before: int | None = None) -> list[AuditRecord]:
        """The newest entries that fit; `before` is the id of the last one seen, to page on."""
        statement: AnySelect = select(
            AuditEntry.id,
            AuditEntry.at,
            AuditEntry.actor,
            AuditEntry.via,
            AuditEntry.address,
            AuditEntry.action,
            AuditEntry.kind,
            AuditEntry.object,
            AuditEntry.outcome,
            AuditEntry.fields,
        )
        statement = narrowed(
            statement,
            (eq, AuditEntry.actor, wanted.actor),
            (eq, AuditEntry.action, wanted.action),
            (eq, AuditEntry.kind, wanted.kind),
            (eq, AuditEntry.object, wanted.object),
            (eq, AuditEntry.outcome, wanted.outcome),
            (ge, AuditEntry.at, wanted.since),
            (lt, AuditEntry.at, wanted.until),
            (lt, AuditEntry.id, before),
        )
        statement = statement.order_by(AuditEntry.id.desc()).limit(limit)
        return self._database.read(lambda connection: [AuditRecord(*row) for row in connection.execute(statement)])

    def after(self, entry_id: int, limit: int) -> Sequence[AuditRecord]:
        """The entries that follow one, oldest first."""
        columns = [getattr(AuditEntry, one.name) for one in dataclass_fields(AuditRecord)]
        statement: AnySelect = select(*columns).where(AuditEntry.id > entry_id).order_by(AuditEntry.id).limit(limit)
        return self._database.read(lambda connection: [AuditRecord(*row) for row in connection.execute(statement)])

    def newest_id(self) -> int:
        """The number of the newest entry, 0 when there is none."""
        newest = select(func.coalesce(func.max(AuditEntry.id), 0))
        return self._database.read(lambda connection: int(connection.execute(newest).scalar_one()))

    def waiting(self, entry_id: int) -> int:
        """How many entries follow one."""
        counted = select(func.count()).select_from(AuditEntry).where(AuditEntry.id > entry_id)
        return self._database.read(lambda connection: int(connection.execute(counted).scalar_one()))

    def stream(self, wanted: AuditFilter) -> Iterator[AuditRecord]:
        """All entries that fit, newest first, however many: read in parts. Those added meanwhile are left out."""
        before: int | None = None
        while part := self.list(wanted, STREAM_ROWS, before):
            yield from part
            before = part[-1].id

    def prune(self, before: datetime, now: datetime) -> int:
        """Forget entries from before a time, as the house decided; how many. That this was done is an entry itself."""
        old: ColumnElement[bool] = AuditEntry.at < before

        def work(connection: Connection) -> int:
            count = int(connection.execute(select(func.count()).select_from(AuditEntry).where(old)).scalar_one())
            if count:
                connection.execute(delete(AuditEntry).where(old))
                fields = {"entries": count, "before": before.isoformat()}
                add(connection, FIRN, "audit_pruned", ObjectKind.AUDIT, "", AuditOutcome.SUCCESS, fields, now)
            return count

        return self._database.write(work)


__all__ = ["AUDITED", "Actor", "Audit", "AuditFilter", "AuditOutcome", "AuditRecord", "ObjectKind", "Via"]
