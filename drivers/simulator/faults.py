"""The faults a simulated library has now: faults.txt, read again when it changes, and how often each fired."""

import os
import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import structlog

from drivers.simulator import state
from drivers.simulator.faultlines import Action, Fault, FaultsInvalid, parse

_log = structlog.get_logger()


@dataclass(frozen=True)
class Scope:
    """Who asks: a fault that names another drive or volume does not strike here."""

    drive: int | None = None
    serial: str | None = None
    volume: str | None = None

    def meets(self, fault: Fault) -> bool:
        """Whether a fault may strike here."""
        if fault.drive is not None and fault.drive not in (str(self.drive), self.serial):
            return False
        return fault.volume is None or fault.volume == self.volume


@dataclass
class _Count:
    seen: int = 0
    fired: int = 0


class Faults:
    """The faults of one library.

    How often a line fired is kept in faults.state.json, so that "once" means once across restarts. A line that was
    taken out and put back counts afresh.
    """

    def __init__(self, root: Path, drives: Collection[str], volumes: Callable[[], Collection[str]]) -> None:
        """`drives`: element numbers and serial numbers; `volumes`: asks which there are. Raises: FaultsInvalid."""
        self._path = root / "faults.txt"
        self._state_path = root / "faults.state.json"
        self._drives, self._volumes = frozenset(drives), volumes
        self._lock = threading.Lock()
        self._faults: tuple[tuple[str, Fault], ...] = ()
        self._counts: dict[str, _Count] = {}
        self._seen: tuple[int, int, int] | None = None
        if self._state_path.exists():
            self._counts = {key: _Count(**count) for key, count in state.load(self._state_path).items()}
        self._read()

    def add(self, line: str) -> None:
        """Append a line to faults.txt. Raises: FaultsInvalid, and then the file is left as it was."""
        with self._lock:
            text = self._path.read_text(encoding="utf-8") if self._path.exists() else ""
            text += ("" if text.endswith("\n") or not text else "\n") + line + "\n"
            self._checked(text)
            self._replace(text)

    def clear(self) -> None:
        """Take all faults away."""
        with self._lock:
            self._replace("")

    @property
    def idle(self) -> bool:
        """Whether nothing at all is set to go wrong."""
        with self._lock:
            self._reread()
            return not self._faults

    def fire(
        self,
        action: Action,
        scope: Scope,
        operation: str | None = None,
        counts: str = "calls",
        at: int | None = None,
        unit: str = "blocks",
    ) -> Fault | None:
        """Ask whether something goes wrong now; the fault that strikes is counted as fired.

        `counts` is what happens: one call, or one record of it. `at` is the block or byte that is touched.
        """
        with self._lock:
            for key, fault in self._matching(action, scope, operation):
                if at is not None and not (fault.unit == unit and fault.first <= at <= fault.last):
                    continue
                count = self._counts.setdefault(key, _Count())
                if fault.after and fault.counts != counts:
                    continue
                if count.seen < fault.after:
                    count.seen += 1
                    continue
                if fault.times is not None:
                    count.fired += 1
                    self._save()
                return fault
        return None

    def standing(self, action: Action, scope: Scope) -> list[Fault]:
        """The faults that hold here, without counting them as fired."""
        with self._lock:
            return [fault for _, fault in self._matching(action, scope, None)]

    def _matching(self, action: Action, scope: Scope, operation: str | None) -> Iterator[tuple[str, Fault]]:
        self._reread()
        for key, fault in self._faults:
            if fault.action is not action or not scope.meets(fault):
                continue
            if fault.operation is not None and fault.operation != operation:
                continue
            if fault.times is None or self._counts.get(key, _Count()).fired < fault.times:
                yield key, fault

    def _checked(self, text: str) -> tuple[Fault, ...]:
        faults = parse(text)
        for fault in faults:
            if fault.drive is not None and fault.drive not in self._drives:
                raise FaultsInvalid(
                    f"{fault.line!r}: no drive {fault.drive}; there are {', '.join(sorted(self._drives))}"
                )
            if fault.volume is not None and fault.volume not in self._volumes():
                raise FaultsInvalid(f"{fault.line!r}: no volume {fault.volume} in this library or on its shelf")
        return faults

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _reread(self) -> None:
        if self._stamp() == self._seen:
            return
        try:
            self._read()
        except FaultsInvalid as error:
            _log.warning("faults_not_understood", path=str(self._path), reason=str(error))

    def _read(self) -> None:
        self._seen = self._stamp()
        text = "" if self._seen is None else self._path.read_text(encoding="utf-8")
        seen: Counter[str] = Counter()
        faults = []
        for fault in self._checked(text):
            seen[fault.line] += 1
            faults.append((f"{fault.line} #{seen[fault.line]}", fault))
        self._faults = tuple(faults)
        known = {key for key, _ in faults}
        self._counts = {key: count for key, count in self._counts.items() if key in known}

    def _replace(self, text: str) -> None:
        temporary = self._path.with_name(f".faults.{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self._path)
        self._read()

    def _save(self) -> None:
        state.save(self._state_path, {key: vars(count) for key, count in self._counts.items()})
