"""How much a rule may still do."""

from collections import Counter
from collections.abc import Iterable, Mapping

from hsm.facts import StudyUid
from hsm.policy.actions import Done
from hsm.policy.model import Limit, Period, Rule


class Limiter:
    """Counts what the rules do in one plan. Each study counts once for a rule, however many actions it gets."""

    def __init__(self, rules: Iterable[Rule], done_today: Mapping[str, Done]) -> None:
        self._limits = {rule.name: rule.limits for rule in rules if rule.limits}
        self._done_today = done_today
        self._studies: dict[str, set[StudyUid]] = {name: set() for name in self._limits}
        self._bytes: Counter[str] = Counter()
        self.held_back: Counter[str] = Counter()

    def admit(self, rule: str, study: StudyUid, size_bytes: int) -> bool:
        """Whether one more action is within the limits of its rule; if so it is counted.

        A study larger than a whole limit in bytes passes when it is the first of its period, else it never would.
        """
        if rule not in self._limits:
            return True
        if not all(self._within(limit, rule, study, size_bytes) for limit in self._limits[rule]):
            self.held_back[rule] += 1
            return False
        self._studies[rule].add(study)
        self._bytes[rule] += size_bytes
        return True

    def _within(self, limit: Limit, rule: str, study: StudyUid, size_bytes: int) -> bool:
        before = self._done_today.get(rule, Done()) if limit.period is Period.DAY else Done()
        if limit.studies is not None:
            return before.studies + len(self._studies[rule] | {study}) <= limit.studies
        used_bytes = before.size_bytes + self._bytes[rule]
        return limit.size_bytes is None or used_bytes == 0 or used_bytes + size_bytes <= limit.size_bytes
