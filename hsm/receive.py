"""One object on its way in: bytes are hashed while they arrive, understood once, made durable, and then catalogued.

Whoever is told STORED or DUPLICATE may forget the object: its bytes are fsynced, file and folder, and the catalog has
committed. What cannot be accepted is kept in quarantine and changes nothing.
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import TracebackType
from typing import BinaryIO, Self

import structlog

from drivers.clock import Clock
from hsm.catalog import Catalog
from hsm.catalog.errors import CatalogUnavailable
from hsm.catalog.intake import OnConflict
from hsm.catalog.records import Outcome, OutcomeKind
from hsm.elements import encoding_of
from hsm.facts import Arrival, Header, PoolFile, StoredInstance
from hsm.filemeta import file_meta
from hsm.head import HEAD_BYTES, HeadSource
from hsm.header import MAX_META_BYTES, HeaderInvalid, header_from, read_dataset_header, read_file_meta
from hsm.incoming import Incoming, PoolError
from hsm.pool import OnlinePool

PIECE_BYTES = 1 << 20
_log = structlog.get_logger()


class ReceiptKind(StrEnum):
    """What became of an object."""

    STORED = "stored"  # durable and catalogued
    DUPLICATE = "duplicate"  # the same content is catalogued already: success
    REPLACED = "replaced"  # durable and catalogued; the former content is in quarantine
    CONFLICT = "conflict"  # another content or place is catalogued under this UID: quarantine
    MISMATCH = "mismatch"  # the data set is not what was announced: quarantine
    INVALID = "invalid"  # cannot be understood: quarantine


KEPT = frozenset({ReceiptKind.STORED, ReceiptKind.DUPLICATE, ReceiptKind.REPLACED})


@dataclass(frozen=True)
class Receipt:
    """The answer to whoever sent an object."""

    kind: ReceiptKind
    header: Header | None = None  # None when it could not be understood
    existing: StoredInstance | None = None  # what was there before
    why: str = ""  # for a refusal, in a sentence

    @property
    def kept(self) -> bool:
        """Whether the sender may forget the object."""
        return self.kind in KEPT


@dataclass(frozen=True)
class Announced:
    """What the sender says it is sending; None where it does not say."""

    sop_class_uid: str | None = None
    sop_instance_uid: str | None = None
    study_instance_uid: str | None = None


class Arriving:
    """A context manager around one arriving object. Left without accept(), nothing of it remains."""

    def __init__(
        self,
        catalog: Catalog,
        pool: OnlinePool,
        clock: Clock,
        on_conflict: OnConflict,
        incoming: Incoming,
        source_aet: str,
    ) -> None:
        self._catalog = catalog
        self._pool = pool
        self._clock = clock
        self._on_conflict = on_conflict
        self._incoming = incoming
        self._source_aet = source_aet
        self._whole = hashlib.sha256()
        self._dataset = hashlib.sha256()
        self._size_bytes = 0
        self._head = bytearray()
        self._transfer_syntax_uid = ""
        self._dataset_offset = 0
        self._announced = Announced()

    def __enter__(self) -> Self:
        self._incoming.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._incoming.__exit__(kind, error, trace)

    @property
    def size_bytes(self) -> int:
        """How much was written, file meta included."""
        return self._size_bytes

    def begin(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str) -> None:
        """Write preamble and file meta for a data set that follows in write(), as C-STORE sends it.

        Raises: HeaderInvalid when one of them is no UID.
        Source: PS3.10 section 7.1.
        """
        meta = file_meta(sop_class_uid, sop_instance_uid, transfer_syntax_uid, self._source_aet)
        self._announced = Announced(sop_class_uid, sop_instance_uid)
        self._transfer_syntax_uid = transfer_syntax_uid
        self._dataset_offset = self._size_bytes = len(meta)
        self._whole.update(meta)
        self._incoming.file.write(meta)

    def write(self, data: bytes | memoryview) -> None:
        """The next bytes of the data set."""
        self._incoming.file.write(data)
        self._whole.update(data)
        self._dataset.update(data)
        self._size_bytes += len(data)
        if (room := HEAD_BYTES - len(self._head)) > 0:
            self._head += data[:room]

    def copy_file(self, stream: BinaryIO, announced: Announced | None = None) -> None:
        """Take a whole Part 10 file from a stream, byte for byte.

        Raises: HeaderInvalid when it does not begin like one; the stream was then read only in part.
        """
        self._announced = announced or Announced()
        start = _read_fully(stream, 2 * MAX_META_BYTES)
        meta = read_file_meta(io.BytesIO(start))
        self._transfer_syntax_uid = meta.transfer_syntax_uid
        self._dataset_offset = self._size_bytes = meta.dataset_offset
        self._whole.update(start[: meta.dataset_offset])
        self._incoming.file.write(start[: meta.dataset_offset])
        self.write(memoryview(start)[meta.dataset_offset :])
        while data := stream.read(PIECE_BYTES):
            self.write(data)

    def accept(self, keep_refused: bool = True) -> Receipt:
        """Understand what arrived, make it durable, and catalogue it.

        With `keep_refused` false what is refused is dropped, for sources that still have it.

        Raises: PoolFull, PoolMissing, CatalogUnavailable: nothing was stored; the sender should try again later.
        """
        try:
            header = self._understand()
        except HeaderInvalid as error:
            return self._refuse(ReceiptKind.INVALID, None, str(error), keep_refused)
        wrong = self._differs(header)
        if wrong:
            return self._refuse(ReceiptKind.MISMATCH, header, wrong, keep_refused)
        file = self._pool.adopt(
            self._incoming, header.study_instance_uid, header.series_instance_uid, header.sop_instance_uid
        )
        arrival = Arrival(
            header=header,
            file=file,
            size_bytes=self._size_bytes,
            sha256=self._whole.hexdigest(),
            dataset_sha256=self._dataset.hexdigest(),
            dataset_offset=self._dataset_offset,
            received_at=self._clock.now(),
            source_aet=self._source_aet,
        )
        return self._settle(arrival, self._record(arrival), keep_refused)

    def _understand(self) -> Header:
        if encoding_of(self._transfer_syntax_uid).deflated:
            with self._stored() as stream:
                return read_dataset_header(stream, self._transfer_syntax_uid)
        source = HeadSource(self._head, self._size_bytes - self._dataset_offset, self._stored)
        try:
            return header_from(source, self._transfer_syntax_uid)
        finally:
            source.close()

    def _stored(self) -> BinaryIO:
        """What was written so far, from the beginning of the data set."""
        self._incoming.file.flush()
        stream = self._incoming.path.open("rb")
        stream.seek(self._dataset_offset)
        return stream

    def _differs(self, header: Header) -> str:
        for name, said, found in (
            ("SOP Instance UID", self._announced.sop_instance_uid, header.sop_instance_uid),
            ("SOP Class UID", self._announced.sop_class_uid, header.sop_class_uid),
            ("Study Instance UID", self._announced.study_instance_uid, header.study_instance_uid),
        ):
            if said is not None and said != found:
                return f"{name} differs: {said[:64]} announced, {found} in the data set"
        return ""

    def _record(self, arrival: Arrival) -> Outcome:
        try:
            return self._catalog.intake.record(arrival, self._on_conflict)
        except CatalogUnavailable as error:
            # The file may be deleted only when it is certain that no row points at it.
            if self._catalog.intake.known(arrival.file):
                return Outcome(OutcomeKind.ACCEPTED)
            if "outcome is unknown" not in str(error):
                self._pool.discard(arrival.file)
            raise

    def _settle(self, arrival: Arrival, outcome: Outcome, keep_refused: bool) -> Receipt:
        header, existing, uid = arrival.header, outcome.existing, arrival.header.sop_instance_uid
        match outcome.kind:
            case OutcomeKind.ACCEPTED:
                return Receipt(ReceiptKind.STORED, header)
            case OutcomeKind.ALREADY_STORED:
                self._tidy(arrival.file, lambda: self._pool.discard(arrival.file))
                return Receipt(ReceiptKind.DUPLICATE, header, existing)
            case OutcomeKind.REPLACED:
                if existing is not None and existing.file is not None:
                    old, size_bytes = existing.file, existing.size_bytes
                    self._tidy(old, lambda: self._set_aside(old, uid, "replaced by a newer content", size_bytes))
                return Receipt(ReceiptKind.REPLACED, header, existing)
            case OutcomeKind.CONFLICT:
                if keep_refused:
                    size_bytes = arrival.size_bytes
                    self._tidy(arrival.file, lambda: self._set_aside(arrival.file, uid, outcome.why, size_bytes))
                else:
                    self._tidy(arrival.file, lambda: self._pool.discard(arrival.file))
                return Receipt(ReceiptKind.CONFLICT, header, existing, outcome.why)

    def _tidy(self, file: PoolFile, step: Callable[[], None]) -> None:
        """Do what follows a commit; it cannot turn its outcome into an error: the next sweep names a file left over."""
        try:
            step()
        except (OSError, PoolError, CatalogUnavailable) as error:
            _log.warning("arrival_left_over", path=file.path, error=str(error))

    def _set_aside(self, file: PoolFile, uid: str, why: str, size_bytes: int) -> None:
        path = self._pool.quarantine(file, uid)
        self._note(str(path), why, uid, size_bytes)

    def _refuse(self, kind: ReceiptKind, header: Header | None, why: str, keep: bool) -> Receipt:
        if keep:
            uid = self._announced.sop_instance_uid or (header.sop_instance_uid if header else "")
            path = self._pool.quarantine(self._incoming, uid or "unknown")
            try:
                self._note(str(path), why, uid, self._size_bytes)
            except CatalogUnavailable as error:  # the file is safe; it stays refused whether noted or not
                _log.warning("quarantine_not_noted", path=str(path), error=str(error))
        _log.info("instance_refused", kind=kind.value, sop=self._announced.sop_instance_uid, why=why)
        return Receipt(kind, header, None, why)

    def _note(self, path: str, why: str, uid: str, size_bytes: int) -> None:
        self._catalog.intake.quarantined(path, why, self._clock.now(), uid[:64], self._source_aet, size_bytes)


def _read_fully(stream: BinaryIO, size: int) -> bytes:
    """Up to `size` bytes, fewer only at the end of the stream."""
    parts = []
    while size and (data := stream.read(size)):
        parts.append(data)
        size -= len(data)
    return b"".join(parts)
