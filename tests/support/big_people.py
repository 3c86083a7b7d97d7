"""What people and programs leave in a large catalog: accounts, wishes, deliveries, peers, audit, carts, samples."""

import random
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import DeclarativeBase

from hsm.access.tables import ApiToken, User
from hsm.figures.tables import DayFlow, UsageSample
from hsm.models import AuditEntry, JobLine, RecallRequest
from hsm.notices.tables import NoticeRule, NoticeTarget, OutboxItem
from hsm.peers.model import ALL_RIGHTS
from hsm.peers.tables import PeerCheckRow, PeerRow
from hsm.wishes import CartItem, Delivery

_TB = 1_000_000_000_000
_ACTIONS = ("study_looked_at", "study_searched", "recall_requested", "signed_in", "volume_verified")
_DAYS = 400
PEERS, TOKENS, JOB_LINES, CART = 40, 60, 400, 200
FIRST = "person001"  # whose cart is full, and who asks for much


def tables(
    studies: int, events: int, jobs: int, draw: random.Random, now: datetime
) -> Iterable[tuple[type[DeclarativeBase], Iterable[dict[str, Any]]]]:
    """The rows of each table, in an order in which they can be written."""
    people = max(10, studies // 1000)
    yield User, _users(people, now)
    yield RecallRequest, _requests(studies, people, draw, now)
    yield Delivery, _deliveries(studies, people, draw, now)
    yield CartItem, ({"user_fk": 1, "study_fk": n, "added_at": now} for n in range(1, min(CART, studies) + 1))
    yield AuditEntry, _audit(studies, events, people, draw, now)
    yield ApiToken, _tokens(people, now)
    yield PeerRow, _peers(now)
    yield PeerCheckRow, _peer_checks(now)
    yield NoticeTarget, ({"name": f"target{n}", "kind": "mail", "address": f"t{n}@example.org"} for n in range(20))
    yield NoticeRule, _rules()
    yield OutboxItem, _outbox(events // 20, now)
    yield JobLine, _job_lines(jobs, now)
    yield UsageSample, _samples(now)
    yield DayFlow, _flows(now)


def _person(number: int) -> str:
    return f"person{number:03d}"


def _users(people: int, now: datetime) -> Iterable[dict[str, Any]]:
    for number in range(1, people + 1):
        yield {
            "id": number,
            "name": _person(number),
            "full_name": f"Person {number}",
            "role": "staff",
            "password_hash": "none",
            "must_change": False,
            "created_at": now - timedelta(days=number % 900),
        }


def _requests(studies: int, people: int, draw: random.Random, now: datetime) -> Iterable[dict[str, Any]]:
    many = studies // 10
    for number in range(1, many + 1):
        at = now - timedelta(days=700) * (1 - number / many)
        yield {
            "id": number,
            "study_fk": draw.randint(1, studies),
            "requested_by": _person(1 if number % 5 == 0 else draw.randint(1, people)),
            "created_at": at,
            "state": "ready" if number % 17 else "failed",
            "ended_at": at + timedelta(minutes=12),
            "why": "" if number % 17 else "no readable copy",
            "seen_at": at + timedelta(hours=1),
        }


def _deliveries(studies: int, people: int, draw: random.Random, now: datetime) -> Iterable[dict[str, Any]]:
    many = studies // 20
    for number in range(1, many + 1):
        at = now - timedelta(days=700) * (1 - number / many)
        over = number <= many - 20
        yield {
            "id": number,
            "study_fk": draw.randint(1, studies),
            "destination": f"PEER{number % PEERS:03d}",
            "requested_by": _person(1 if number % 5 == 0 else draw.randint(1, people)),
            "created_at": at,
            "deadline": at + timedelta(days=1),
            "state": "done" if over else "queued",
            "active_key": None if over else f"{number:064x}",
            "tries": int(over),
            "total": 20,
            "sent": 20 * over,
            "ended_at": at + timedelta(minutes=20) if over else None,
            "seen_at": at + timedelta(hours=1) if over else None,
        }


def _audit(studies: int, events: int, people: int, draw: random.Random, now: datetime) -> Iterable[dict[str, Any]]:
    for number in range(1, events + 1):
        yield {
            "at": now - timedelta(days=365) * (1 - number / events),
            "actor": _person(draw.randint(1, people)),
            "via": "page",
            "address": f"10.0.{number % 7}.{number % 250}",
            "action": draw.choice(_ACTIONS),
            "kind": "study",
            "object": f"1.2.826.0.1.3680043.10.1474.{draw.randint(1, studies)}",
            "outcome": "success" if number % 50 else "refused",
            "fields": {"count": number % 100},
        }


def _tokens(people: int, now: datetime) -> Iterable[dict[str, Any]]:
    for number in range(TOKENS):
        yield {
            "token_sha256": f"{number:064x}",
            "hint": f"{number:06d}",
            "user_fk": number % people + 1,
            "name": f"script {number}",
            "scopes": ["look"],
            "created_at": now - timedelta(days=number),
            "created_by": _person(1),
        }


def _peers(now: datetime) -> Iterable[dict[str, Any]]:
    for number in range(PEERS):
        yield {
            "ae_title": f"PEER{number:03d}",
            "host": f"10.1.0.{number + 1}",
            "port": 104,
            "patience_s": None,
            "rights": sorted(right.value for right in ALL_RIGHTS),
            "version": 1,
            "changed_at": now,
            "changed_by": _person(1),
        }


def _peer_checks(now: datetime) -> Iterable[dict[str, Any]]:
    for number in range(PEERS):
        yield {
            "ae_title": f"PEER{number:03d}",
            "checked_at": now - timedelta(minutes=3),
            "answered": number % 9 != 0,
            "text": "" if number % 9 else "nobody listens there",
            "took_s": 0.02,
            "seen_at": now - timedelta(minutes=3),
            "failures": int(number % 9 == 0),
        }


def _rules() -> Iterable[dict[str, Any]]:
    for number in range(40):
        yield {
            "target": f"target{number % 20}",
            "level": "error",
            "events": "*",
            "subject": "*",
            "calendar": "always",
        }


def _outbox(many: int, now: datetime) -> Iterable[dict[str, Any]]:
    for number in range(1, many + 1):
        at = now - timedelta(days=30) * (1 - number / many)
        yield {
            "key": f"event:{number}",
            "kind": "mail",
            "address": f"t{number % 20}@example.org",
            "target": f"target{number % 20}",
            "note": {
                "at": at.isoformat(),
                "level": "error",
                "name": "drive_failed",
                "subject": f"TD{number % 8:04d}",
                "fields": {},
            },
            "state": "told",
            "tries": 1,
            "queued_at": at,
            "told_at": at + timedelta(seconds=20),
            "answer": "250 ok",
        }


def _job_lines(jobs: int, now: datetime) -> Iterable[dict[str, Any]]:
    """A long log of the newest job, and a short one of each of the thousand before it."""
    for job in range(max(1, jobs - 1000), jobs + 1):
        for number in range(1, (JOB_LINES if job == jobs else 10) + 1):
            yield {
                "job_fk": job,
                "number": number,
                "at": now - timedelta(seconds=JOB_LINES - number),
                "level": "info",
                "text": f"locating block {number * 2000} on A00001L8",
                "done_bytes": number * 1_000_000,
            }


def _samples(now: datetime) -> Iterable[dict[str, Any]]:
    """As thinning leaves them: one in five minutes, then one an hour, then one a day."""
    minutes = [*range(0, 2 * 1440, 5), *range(2 * 1440, 60 * 1440, 60), *range(60 * 1440, _DAYS * 1440, 1440)]
    for name, size in (("online", 400 * _TB), ("pool:tape_a", 8000 * _TB), ("pool:tape_b", 8000 * _TB)):
        for age in minutes:
            used = int(size * (0.7 - age / (10 * _DAYS * 1440)))
            yield {"name": name, "at": now - timedelta(minutes=age), "used_bytes": used, "capacity_bytes": size}


def _flows(now: datetime) -> Iterable[dict[str, Any]]:
    for age in range(_DAYS):
        for name, many in (("intake", 55), ("recall", 9)):
            day = (now - timedelta(days=age)).date()
            yield {"day": day, "name": name, "number": many + age % 7, "size_bytes": (many + age % 7) * 150_000_000}
