"""What a policy says, as frozen values. Line numbers are kept for reasons; they do not count in a comparison."""

from dataclasses import dataclass, field
from datetime import time
from enum import StrEnum

from hsm.states import Availability

DEFAULT_COPIES = 2  # verified copies on distinct volumes before a release, when a rule does not say
DEFAULT_KINDS = 1


class Unit(StrEnum):
    """Units of time. Months and years follow the calendar."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    YEAR = "year"


class Comparison(StrEnum):
    """How a measure is held against a limit."""

    BELOW = "below"
    AT_MOST = "at most"
    AT_LEAST = "at least"
    ABOVE = "above"


class TextField(StrEnum):
    """The texts of a study that a rule may look at, in the words of the language."""

    MODALITY = "modality"  # of any of its series
    SOURCE = "source"  # AE title that sent its first instance
    INSTITUTION = "institution"
    DESCRIPTION = "description"
    BODY_PART = "body part"  # of any of its series


class TextTest(StrEnum):
    """How a text is held against values; never by case."""

    IS = "is"  # equal to one of them
    CONTAINS = "contains"
    MATCHES = "matches"  # a wildcard pattern: * and ?


class TimeSubject(StrEnum):
    """What the time since is measured."""

    STUDY_AGE = "age"  # study date, or reception when it has none
    PATIENT_AGE = "patient age"  # birth date
    PATIENT_AGE_AT_STUDY = "patient age at study"  # birth date, up to the study date
    RECEIVED = "received"  # first instance
    ACCESSED = "accessed"  # last retrieval; false when there was none
    IDLE = "not accessed for"  # last retrieval, or reception when there was none
    STABLE = "stable for"  # last new instance


class Weekday(StrEnum):
    """Days a rule may be confined to, Monday first, as datetime counts them."""

    MONDAY = "monday"
    TUESDAY = "tuesday"
    WEDNESDAY = "wednesday"
    THURSDAY = "thursday"
    FRIDAY = "friday"
    SATURDAY = "saturday"
    SUNDAY = "sunday"


@dataclass(frozen=True)
class Duration:
    """A length of time as it was written."""

    amount: int
    unit: Unit


@dataclass(frozen=True)
class TextCondition:
    """A text of the study equals, contains or matches a value."""

    field: TextField
    test: TextTest
    values: tuple[str, ...]  # more than one only with IS


@dataclass(frozen=True)
class TimeCondition:
    """Time since something is below or above a duration."""

    subject: TimeSubject
    comparison: Comparison
    duration: Duration


@dataclass(frozen=True)
class NeverAccessed:
    """Nobody has retrieved the study."""


@dataclass(frozen=True)
class SizeCondition:
    """The bytes of the study's instances."""

    comparison: Comparison
    size_bytes: int


@dataclass(frozen=True)
class InstancesCondition:
    """The number of the study's instances."""

    comparison: Comparison
    count: int


@dataclass(frozen=True)
class AvailabilityCondition:
    """How soon the study can be had."""

    availability: Availability


@dataclass(frozen=True)
class OnlineCondition:
    """Every instance is on disk."""


@dataclass(frozen=True)
class All:
    """Every part is true."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True)
class Any:
    """At least one part is true."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True)
class Not:
    """The part is not true."""

    part: "Condition"


Fact = (
    TextCondition
    | TimeCondition
    | NeverAccessed
    | SizeCondition
    | InstancesCondition
    | AvailabilityCondition
    | OnlineCondition
)
Condition = Fact | All | Any | Not


@dataclass(frozen=True)
class BetweenTimes:
    """The rule speaks only from one time of day until before another; across midnight when the first is later."""

    begin: time
    end: time


@dataclass(frozen=True)
class OnDays:
    """The rule speaks only on these days."""

    days: tuple[Weekday, ...]


Schedule = BetweenTimes | OnDays


class Period(StrEnum):
    """What a limit is counted over."""

    TICK = "tick"  # one plan
    DAY = "day"


@dataclass(frozen=True)
class Limit:
    """At most so many studies, or so many bytes, of one rule in one period. Exactly one of both is set."""

    studies: int | None
    size_bytes: int | None
    period: Period


@dataclass(frozen=True)
class Copy:
    """One verified copy in each of these pools."""

    pools: tuple[str, ...]


@dataclass(frozen=True)
class Keep:
    """The study stays on disk."""


@dataclass(frozen=True)
class Release:
    """The study leaves the disk once enough copies are proved."""

    copies: int = DEFAULT_COPIES
    kinds: int = DEFAULT_KINDS
    when_space_is_needed: bool = False


@dataclass(frozen=True)
class Pin:
    """The study stays on disk for so long after its last use (reception of an instance, or retrieval)."""

    duration: Duration


@dataclass(frozen=True)
class Verify:
    """Every copy is read back again after so long."""

    every: Duration


class Same(StrEnum):
    """What makes an earlier study relevant for an appointment, in the words of the language."""

    ANYTHING = ""
    MODALITY = "modality"
    BODY_PART = "body part"
    EITHER = "modality or body part"
    BOTH = "modality and body part"


@dataclass(frozen=True)
class Prefetch:
    """The last studies of a patient are on disk when an appointment begins; asked for so long before."""

    last: int
    same: Same
    before: Duration


class Codec(StrEnum):
    """How objects may be compressed without loss, as it is written in a rule."""

    JPEG_LS = "JPEG-LS"


@dataclass(frozen=True)
class Compress:
    """What is copied is compressed without loss before, where that is proved for each object."""

    codec: Codec = Codec.JPEG_LS


Action = Copy | Keep | Release | Pin | Verify | Compress | Prefetch


@dataclass(frozen=True)
class Rule:
    """One sentence of a policy."""

    name: str
    condition: Condition | None  # None: every study
    schedules: tuple[Schedule, ...]
    limits: tuple[Limit, ...]
    actions: tuple[Action, ...]
    line: int = field(default=0, compare=False)

    def first(self, kind: type[Action]) -> Action | None:
        """Its first action of a kind."""
        return next((action for action in self.actions if isinstance(action, kind)), None)


@dataclass(frozen=True)
class Policy:
    """Rules, read from top to bottom."""

    rules: tuple[Rule, ...]
    name: str = field(default="policy", compare=False)
