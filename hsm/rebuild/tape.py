"""What a tape tells about itself: label, frames, end of data.

Source: docs/FORMAT.md sections 2 to 4.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import structlog

from drivers.base import RECORD_BYTES, Address, Barcode, MediumKind
from drivers.errors import EndOfData, MediumError
from hsm.catalog.found import FoundPack, FoundVolume
from hsm.format import catalog_file
from hsm.format.errors import FormatError
from hsm.format.header import KIND_CATALOG, PackHeader
from hsm.format.label import VolumeLabel
from hsm.format.reading import PackPrefix, read_header, read_prefix, verify_stream
from hsm.library import TapeSession
from hsm.library.tape import INTRO_ADDRESS

MAX_BAD_RECORDS = 10_000  # a tape with more unreadable places than this is given up

log = structlog.get_logger()


@dataclass
class VolumeContent:
    """What was found on one volume."""

    volume: FoundVolume
    packs: list[FoundPack] = field(default_factory=list)
    catalog_lines: bytes | None = None  # the newest catalog file, unpacked
    faults: list[str] = field(default_factory=list)


@dataclass
class _Frame:
    """One tape file that begins like a frame."""

    address: int
    header: PackHeader
    prefix: PackPrefix | None  # None for a catalog file


def read_tape(session: TapeSession, progress: Callable[[str], None]) -> VolumeContent | None:
    """Read the beginning of every frame, and the last frame whole.

    Returns: None for a blank tape, and for one whose labelling was interrupted.
    Raises: WrongVolume when the tape is not ours or carries another barcode; DriverError.
    """
    label = session.read_label()
    if label is None:
        return None
    content = VolumeContent(_volume(session, label))
    first_address = _after_file(session, INTRO_ADDRESS, content)
    if first_address == INTRO_ADDRESS and not content.faults:
        # Labelling was interrupted before the restore instructions were whole. Whoever labels the tape again completes
        # it; taken for labelled, packs would go where the instructions belong and the next rebuild would miss one.
        log.info("unfinished_label_ignored", volume=session.barcode)
        return None
    frames, end_address = _frames(session, content, first_address, progress)
    last_stream_sha256 = _chain(session, content, frames)
    status = session.drive.status()
    last = frames[-1] if frames else None
    content.volume = replace(
        content.volume,
        capacity_bytes=status.capacity_bytes or 0,
        used_bytes=sum(frame.header.pack_bytes for frame in frames),
        end_address=None if content.faults else end_address,
        last_sequence=last.header.sequence if last else 0,
        last_address=last.address if last else None,
        last_digest=last.header.pack_digest if last else None,
        last_stream_sha256=last_stream_sha256,
        closed=bool(content.faults),
    )
    return content


def _volume(session: TapeSession, label: VolumeLabel) -> FoundVolume:
    return FoundVolume(
        barcode=Barcode(label.barcode),
        uuid=label.uuid,
        kind=MediumKind.TAPE,
        generation=session.drive.status().generation or label.generation,
        pool=label.pool,
        labelled_at=label.labelled_at,
    )


def _frames(
    session: TapeSession, content: VolumeContent, address: int, progress: Callable[[str], None]
) -> tuple[list[_Frame], int]:
    """All whole frames from `address` on, and the address behind the last of them."""
    frames: list[_Frame] = []
    while True:
        try:
            header = read_header(session.records(address))
            prefix = None if header.kind == KIND_CATALOG else read_prefix(session.records(address))
        except EndOfData:
            return frames, address
        except (FormatError, MediumError) as error:
            content.faults.append(f"{session.barcode}: what begins at block {address} is not read: {error}")
            following = _after_file(session, address, content)
            if following == address:
                return frames, address
            address = following
            continue
        following = address + -(-header.pack_bytes // RECORD_BYTES) + 1
        try:
            session.drive.seek(Address(following))
        except EndOfData:
            # Torn by an interruption: it was never flushed, so it never counted.
            log.info("torn_frame_ignored", volume=session.barcode, address=address)
            return frames, address
        frames.append(_Frame(address, header, prefix))
        progress(f"{session.barcode}: frame {header.sequence}")
        address = following


def _after_file(session: TapeSession, address: int, content: VolumeContent) -> int:
    """The address behind the filemark that ends the file at `address`; that address itself at the end of data."""
    at = address
    for _ in range(MAX_BAD_RECORDS):
        try:
            session.drive.seek(Address(at))
            for _record in session.drive.read():
                pass
            return session.drive.tell()
        except EndOfData:
            return address
        except MediumError:
            at = session.drive.tell() + 1
    content.faults.append(f"{session.barcode}: given up behind block {address}: too many unreadable records")
    return address


def _chain(session: TapeSession, content: VolumeContent, frames: list[_Frame]) -> str | None:
    """Turn frames into packs. Each frame names the stream digest of the one before it; the last one is read whole.

    Returns: the stream digest of the last frame, which the next one written has to name.
    """
    stream_sha256: str | None = None
    if frames and frames[0].header.sequence != 1:
        content.faults.append(f"{session.barcode}: frame 1 is missing: {frames[0].header.sequence} is the first")
    for number, frame in enumerate(frames):
        following = frames[number + 1] if number + 1 < len(frames) else None
        expected = frame.header.sequence + 1
        if following is not None and following.header.sequence != expected:
            content.faults.append(
                f"{session.barcode}: frame {expected} is missing: {following.header.sequence} follows"
            )
        stream_sha256 = following.header.previous_stream_sha256 if following is not None else None
        verified = False
        if following is None:
            try:
                stream_sha256 = verify_stream(session.records(frame.address)).stream_sha256
                verified = True
            except (FormatError, MediumError) as error:
                content.faults.append(
                    f"{session.barcode}: the last frame, at block {frame.address}, is damaged: {error}"
                )
        if frame.prefix is None:
            content.catalog_lines = _catalog_lines(session, frame, content) or content.catalog_lines
        else:
            content.packs.append(_pack(session, frame, frame.prefix, stream_sha256, verified))
    return stream_sha256


def _pack(
    session: TapeSession, frame: _Frame, prefix: PackPrefix, stream_sha256: str | None, verified: bool
) -> FoundPack:
    return FoundPack(
        digest=prefix.digest,
        size_bytes=frame.header.pack_bytes,
        study_json=prefix.study_json,
        members=prefix.members,
        barcode=session.barcode,
        sequence=frame.header.sequence,
        address=frame.address,
        stream_sha256=stream_sha256,
        written_at=frame.header.written_at,
        verified=verified,
        drive_serial=session.drive_serial,
    )


def _catalog_lines(session: TapeSession, frame: _Frame, content: VolumeContent) -> bytes | None:
    try:
        _, lines = catalog_file.read(session.records(frame.address))
        return b"".join(line + b"\n" for line in lines)
    except (FormatError, MediumError) as error:
        content.faults.append(f"{session.barcode}: the catalog file at block {frame.address} is damaged: {error}")
        return None
