"""A stored object written anew for somebody who does not take it as it is stored: uncompressed, little endian.

Nothing is ever compressed here, and the object stays the same object: its SOP Instance UID and what it says of lossy
compression in the past are kept, for decompressing loses nothing more. Frames are decoded one after the other.
Source: PS3.5 section 10 and annex A, PS3.3 C.7.6.1.1.5, PS3.4 annex B.
"""

import mmap
import multiprocessing
import os
import resource
import struct
import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO, Final

import structlog
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.pixels.decoders.base import get_decoder
from pydicom.pixels.utils import as_pixel_options
from pydicom.uid import UID

from hsm.elements import PIXEL_DATA, Malformed
from hsm.facts import StoredInstance
from hsm.filemeta import file_meta
from hsm.lossless.part10 import EXPLICIT_LITTLE, IMPLICIT_LITTLE, Cut, Part, pixel_header, to_explicit, to_implicit

DEFLATED: Final = "1.2.840.10008.1.2.1.99"
BIG_ENDIAN: Final = "1.2.840.10008.1.2.2"
NATIVE: Final = frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, DEFLATED, BIG_ENDIAN})
TARGETS: Final = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)  # the better liked first
MOST_VALUE_BYTES: Final = 0xFFFFFFFE  # of Pixel Data
MOST_FRAME_BYTES: Final = 512 * 1024**2
MOST_WHOLE_BYTES: Final = 1024**3  # of an object that has to be read whole
WORKER_BYTES: Final = 4 * 1024**3
LONGEST_S: Final = 600.0
_LOSSLESS: Final = frozenset(
    {"1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.5"}
)
_TABLES: Final = (0x7FE00001, 0x7FE00002, 0x7FE00003)  # they say where compressed frames lie
_CANNOT: Final = (Malformed, ValueError, TypeError, AttributeError, RuntimeError, LookupError, OSError, EOFError)

log = structlog.get_logger()


class NotTranscodable(Exception):
    """An object cannot be given otherwise than it is stored; the message says why."""


@dataclass
class Transcoded:
    """A Part 10 file that is gone when it is closed. A context manager."""

    file: BinaryIO
    dataset_offset: int
    size_bytes: int

    def __enter__(self) -> "Transcoded":
        return self

    def __exit__(self, *reason: object) -> None:
        self.file.close()


@dataclass(frozen=True)
class TranscodeTask:
    """One object to write anew."""

    source: Path
    dataset_offset: int
    stored: str  # its transfer syntax
    target: str
    out: Path


def is_native(transfer_syntax_uid: str) -> bool:
    """Whether pixels lie there uncompressed, one after the other."""
    return transfer_syntax_uid in NATIVE


def can_decode(transfer_syntax_uid: str) -> bool:
    """Whether compressed pixels can be decompressed here."""
    try:
        return bool(get_decoder(UID(transfer_syntax_uid)).is_available)
    except NotImplementedError:
        return False


def alternatives(stored: str) -> tuple[str, ...]:
    """In which other transfer syntaxes an object can be given, the better liked first."""
    if not is_native(stored) and not can_decode(stored):
        return ()
    return tuple(target for target in TARGETS if target != stored)


class Transcoder:
    """Writes objects anew, in processes of its own where it was given any: hostile pixels may break only those.

    Safe to use from several threads. The processes begin when they are first needed and end with this one.
    """

    def __init__(self, workers: int = 0, limit_s: float = LONGEST_S) -> None:
        """`workers`: processes; 0: in the thread that asks. `limit_s`: for one object."""
        self._workers = workers
        self._limit_s = limit_s
        self._pool: ProcessPoolExecutor | None = None
        self._lock = Lock()

    def transcode(self, instance: StoredInstance, source: Path, target: str, folder: Path) -> Transcoded:
        """The object in another transfer syntax, one of `alternatives`; made in `folder`, where it leaves no trace.

        Raises: NotTranscodable.
        """
        if target not in alternatives(instance.transfer_syntax_uid):
            raise NotTranscodable(f"{instance.transfer_syntax_uid} cannot be given as {target}")
        try:
            meta = file_meta(instance.sop_class_uid, instance.sop_instance_uid, target)
            file = tempfile.NamedTemporaryFile(dir=folder, prefix="transcoding.")  # noqa: SIM115 - closed by who takes it
        except (ValueError, OSError) as error:
            raise NotTranscodable(f"it cannot be written anew: {error}") from error
        try:
            file.write(meta)
            file.flush()
            task = TranscodeTask(source, instance.dataset_offset, instance.transfer_syntax_uid, target, Path(file.name))
            self._run(task)
            size_bytes = os.fstat(file.fileno()).st_size
            file.seek(0)
        except BaseException:
            file.close()
            raise
        return Transcoded(file, len(meta), size_bytes)  # type: ignore[arg-type]  # a wrapper with all that a file has

    def _run(self, task: TranscodeTask) -> None:
        if not self._workers:
            transcode(task)
            return
        for again in (True, False):
            pool = self._started()
            try:
                pool.submit(transcode, task).result(self._limit_s)
                return
            except BrokenProcessPool:  # by this object, or by one beside it: once more tells
                self._end(pool)
                if not again:
                    log.error("transcoding_broke", path=str(task.source), stored=task.stored)
                    raise NotTranscodable("it broke the decoder") from None
            except TookTooLong:
                self._end(pool)
                raise NotTranscodable(f"decoding it takes longer than {self._limit_s:.0f} s") from None

    def _started(self) -> ProcessPoolExecutor:
        with self._lock:
            if self._pool is None:
                context = multiprocessing.get_context("forkserver")
                context.set_forkserver_preload([__name__])
                self._pool = ProcessPoolExecutor(
                    self._workers, mp_context=context, initializer=_confine, initargs=(WORKER_BYTES,)
                )
            return self._pool

    def _end(self, pool: ProcessPoolExecutor) -> None:
        with self._lock:
            if self._pool is pool:
                self._pool = None
        for process in list((pool._processes or {}).values()):  # one may be in an endless loop
            process.kill()
        pool.shutdown(wait=False, cancel_futures=True)

    def close(self) -> None:
        """End the processes."""
        pool = self._pool
        if pool is not None:
            self._end(pool)


def _confine(memory_bytes: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def transcode(task: TranscodeTask) -> None:
    """Append the data set of a stored object to `task.out`, in the other transfer syntax. Raises: NotTranscodable."""
    try:
        with warnings.catch_warnings(), task.out.open("ab") as out:
            warnings.simplefilter("ignore")  # what a reader finds odd in values is not the question
            if task.stored in (DEFLATED, BIG_ENDIAN):
                _whole(task, out)
            else:
                _by_parts(task, out)
    except MemoryError:
        raise NotTranscodable("decoding it takes more memory than is allowed") from None
    except _CANNOT as error:
        why = str(error).partition("\n")[0][:120]
        raise NotTranscodable(f"it cannot be written as {task.target}: {type(error).__name__}: {why}") from None


def _whole(task: TranscodeTask, out: BinaryIO) -> None:
    if task.source.stat().st_size > MOST_WHOLE_BYTES:
        raise NotTranscodable("it is too large to be written in another byte order")
    dataset = dcmread(task.source)
    if task.stored == BIG_ENDIAN and "PixelData" in dataset:
        swap_bytes = int(dataset.get("BitsAllocated", 8)) // 8
        if dataset["PixelData"].VR == "OW" or swap_bytes > 1:
            dataset.PixelData = swapped(dataset.PixelData, max(2, swap_bytes))
    out.write(_written(dataset, task.target))


def swapped(data: bytes, width: int) -> bytes:
    """The bytes of each value of `width` bytes turned around."""
    turned = bytearray(data)
    for at in range(width):
        turned[at::width] = data[width - 1 - at :: width]
    return bytes(turned)


def _written(dataset: Dataset, target: str) -> bytes:
    made = DicomBytesIO()
    made.is_little_endian, made.is_implicit_VR = True, target == IMPLICIT_LITTLE
    write_dataset(made, dataset)
    return made.getvalue()


def _by_parts(task: TranscodeTask, out: BinaryIO) -> None:
    implicit = task.stored == IMPLICIT_LITTLE
    with task.source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        whole = memoryview(mapped)
        dataset = whole[task.dataset_offset :]
        try:
            pixels = next((part for part in Cut(dataset, implicit).parts() if part.tag == PIXEL_DATA), None)
            start, end = (pixels.start, pixels.end) if pixels else (len(dataset), len(dataset))
            head, tail = bytes(dataset[:start]), bytes(dataset[end:])
            if pixels is None or not pixels.undefined:
                _rewritten(task, out, dataset, head, pixels, tail)
            else:
                meta = bytes(whole[: task.dataset_offset])
                _decompressed(task, out, mapped, meta, head, pixels, tail)
        finally:
            dataset.release()
            whole.release()


def _rewritten(
    task: TranscodeTask, out: BinaryIO, dataset: memoryview, head: bytes, pixels: Part | None, tail: bytes
) -> None:
    """The same elements in the other kind of VR; pixels are copied as they are."""

    def moved(elements: bytes) -> bytes:
        if task.target == IMPLICIT_LITTLE:
            return to_implicit(elements)
        return to_explicit(elements) if task.stored == IMPLICIT_LITTLE else elements

    out.write(moved(head))
    if pixels is not None:
        vr = "" if task.target == IMPLICIT_LITTLE else pixels.vr or "OW"
        out.write(pixel_header(vr, pixels.end - pixels.value_at))
        for at in range(pixels.value_at, pixels.end, 1 << 20):
            out.write(dataset[at : min(at + (1 << 20), pixels.end)])
    out.write(moved(tail))


def _decompressed(
    task: TranscodeTask, out: BinaryIO, mapped: mmap.mmap, meta: bytes, head: bytes, pixels: Part, tail: bytes
) -> None:
    header = dcmread(BytesIO(meta + head))
    behind = dcmread(BytesIO(meta + tail))
    options = as_pixel_options(header)
    frame_bytes = int(options["rows"]) * int(options["columns"]) * int(options["samples_per_pixel"]) * 8
    if frame_bytes > 8 * MOST_FRAME_BYTES:
        raise NotTranscodable("its frames are too large to be decoded")
    mapped.seek(task.dataset_offset + pixels.value_at)
    # Turning colours round is left to lossy objects: RGB is what everybody takes, and rounding adds nothing there.
    as_rgb = not (task.stored in _LOSSLESS and options.get("photometric_interpretation") == "YBR_FULL")
    one = range(1) if int(options["number_of_frames"]) == 1 else None  # by number pydicom may correct signs in place
    frames = get_decoder(UID(task.stored)).iter_array(
        mapped,  # type: ignore[arg-type]  # read and sought like a file
        raw=False,
        as_rgb=as_rgb,
        indices=one,
        **options,
    )
    count, first, length_at = 0, b"", 0
    for data, properties in _frames(frames):
        if count == 0:
            _describe(header, properties)
            vr = "" if task.target == IMPLICIT_LITTLE else "OW" if int(properties["bits_allocated"]) > 8 else "OB"
            out.write(_written(header, task.target))
            start = pixel_header(vr, 0)
            length_at = out.seek(0, os.SEEK_END) + len(start) - 4
            out.write(start)
            first = data
        if len(data) != len(first):
            raise NotTranscodable("its frames are of different kinds")
        out.write(data)
        count += 1
    size_bytes = count * len(first)
    if count != int(options["number_of_frames"]) or not count:
        raise NotTranscodable(f"{count} of {options['number_of_frames']} frames can be decoded")
    if size_bytes > MOST_VALUE_BYTES:
        raise NotTranscodable("it would be larger than 4 GiB, which no uncompressed object can be")
    out.write(bytes(size_bytes % 2))
    out.write(_written(behind, task.target))
    out.flush()
    with task.out.open("r+b") as again:
        again.seek(length_at)
        again.write(struct.pack("<I", size_bytes + size_bytes % 2))


def _frames(frames: Iterator[tuple[Any, dict[str, Any]]]) -> Iterator[tuple[bytes, dict[str, Any]]]:
    for pixels, properties in frames:
        yield pixels.astype(pixels.dtype.newbyteorder("<"), copy=False).tobytes(), properties


def _describe(header: Dataset, properties: dict[str, Any]) -> None:
    """Say of the image what is so once it is decompressed. Source: PS3.3 C.7.6.3."""
    header.BitsAllocated = int(properties["bits_allocated"])
    header.BitsStored = int(properties["bits_stored"])
    header.HighBit = header.BitsStored - 1
    header.PixelRepresentation = int(properties["pixel_representation"])
    header.PhotometricInterpretation = str(properties["photometric_interpretation"])
    if int(properties["samples_per_pixel"]) > 1:
        header.PlanarConfiguration = 0
    for tag in _TABLES:
        if tag in header:
            del header[tag]
