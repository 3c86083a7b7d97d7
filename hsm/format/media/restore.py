#!/usr/bin/env python3
# ruff: noqa: UP006, UP035, UP045, B905 - must run on Python 3.6
"""List, verify and extract medical images from a Firn volume. Needs Python 3.6 or newer and nothing else.

    restore.py list    PLACE...
    restore.py verify  PLACE...
    restore.py extract PLACE... --to FOLDER [--uid UID]...

PLACE is a tape device (/dev/nst0), a file that dd made of one tape file, a folder of such files, or the folder where a
disc is mounted. The status is 0 if everything asked for is there and good, 1 if not, 2 if the command makes no sense.
"""

import argparse
import errno
import fcntl
import hashlib
import json
import os
import re
import stat
import struct
import sys
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

BLOCK = 512
RECORD = 262144
READ = 1 << 20
HEADER, MANIFEST, STUDY = "00_HEADER.json", "01_MANIFEST.sha256", "02_STUDY.json"
UID = r"[0-9]+(\.[0-9]+)*"
SAFE = re.compile(UID + "/" + UID + r"\.dcm$|0[0-2]_[A-Z]+\.(json|sha256)$|CATALOG\.jsonl\.gz$")
LINE = re.compile(r"([0-9a-f]{64})  (\S+)$")
MTIOCTOP, MTFSR, MTREW, MTSETBLK = 0x40086D01, 3, 6, 20  # Linux, see st(4)
Records = Iterator[bytes]


class Stream:
    """Bytes of one tape file."""

    def __init__(self, records: Records) -> None:
        self.records = records
        self.rest = b""
        self.position = 0

    def read(self, size: int) -> bytes:
        """As many bytes as asked for; fewer at the end."""
        pieces, left = [], size
        while left:
            if not self.rest:
                self.rest = next(self.records, b"")
                if not self.rest:
                    break
            piece, self.rest = self.rest[:left], self.rest[left:]
            pieces.append(piece)
            left -= len(piece)
        self.position += size - left
        return b"".join(pieces)


class Target:
    """Where extracted files go; without a folder nothing is written."""

    def __init__(self, folder: Optional[Path], uids: List[str]) -> None:
        self.folder = folder
        self.uids = set(uids)

    def wants(self, study: str, name: str) -> bool:
        """Whether a member was asked for."""
        if not name.endswith(".dcm"):
            return True
        series, instance = name[:-4].split("/")
        return not self.uids or bool(self.uids & {study, series, instance})

    def path(self, study: str, digest: str, name: str) -> Path:
        """The file for a member of a pack."""
        assert self.folder is not None
        if name.endswith(".dcm"):
            return self.folder / study / name
        return self.folder / "packs" / digest / name

    def receive(self, study: str, digest: str, name: str, pieces: Iterator[bytes], expected: Optional[str]) -> bool:
        """Take one member in; says whether it has its digest (`expected` None: whatever comes is good)."""
        found = hashlib.sha256()
        if self.folder is None or not self.wants(study, name):
            for piece in pieces:
                found.update(piece)
            return expected in (None, found.hexdigest())
        path = self.path(study, digest, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(path.name + ".part")
        with part.open("wb") as out:
            for piece in pieces:
                found.update(piece)
                out.write(piece)
            out.flush()
            os.fsync(out.fileno())
        good = expected in (None, found.hexdigest())
        part.replace(path if good else path.with_name(path.name + ".damaged"))
        return good


def parse_block(block: bytes) -> Optional[Tuple[str, int, bytes]]:
    """Name, size and type from a tar header block, or None if it is none."""
    if len(block) < BLOCK or block[257:265] != b"ustar\x0000":
        return None
    try:
        if int(block[148:156].strip(b"\0 "), 8) != sum(block[:148]) + 256 + sum(block[156:]):
            return None
        name = block[:100].rstrip(b"\0").decode("ascii")
        prefix = block[345:500].rstrip(b"\0").decode("ascii")
        return (prefix + "/" + name if prefix else name), int(block[124:136].strip(b"\0 "), 8), block[156:157]
    except ValueError:
        return None


def next_header(stream: Stream, block: bytes) -> Optional[Tuple[str, int]]:
    """Name and size of the next member, scanning over what is no header block."""
    pax_size = None
    while block:
        found = parse_block(block)
        if found and found[2] == b"x":
            record = stream.read(BLOCK)[: found[1]]
            pax_size = int(record.split(b"=")[1]) if b" size=" in record else None
        elif found and SAFE.match(found[0]):
            return found[0], found[1] if pax_size is None else pax_size
        block = stream.read(BLOCK)
    return None


def content(stream: Stream, size: int) -> Iterator[bytes]:
    """The bytes of a member; the padding is passed over."""
    left = size
    while left:
        piece = stream.read(min(READ, left))
        if not piece:
            return
        left -= len(piece)
        yield piece
    stream.read(-size % BLOCK)


def manifest_of(data: bytes) -> Dict[str, str]:
    """Digests by name."""
    lines = (LINE.match(line) for line in data.decode("ascii", "replace").split("\n"))
    return {found.group(2): found.group(1) for found in lines if found and SAFE.match(found.group(2))}


def load_json(data: bytes) -> Dict[str, Any]:
    """A JSON object, or an empty one when it is damaged."""
    try:
        value = json.loads(data.decode("ascii"))
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def sizes_of(study: Dict[str, Any]) -> Dict[str, int]:
    """Sizes by name, from an intact study description."""
    return {
        f"{series['series_instance_uid']}/{instance['sop_instance_uid']}.dcm": instance["size_bytes"]
        for series in study.get("series", [])
        for instance in series["instances"]
    }


class Pack:
    """What is known of a pack while it is read."""

    def __init__(self, place: str) -> None:
        self.place = place
        self.header = {}  # type: Dict[str, Any]
        self.manifest = {}  # type: Dict[str, str]
        self.study = {}  # type: Dict[str, Any]
        self.seen = {}  # type: Dict[str, bool]
        self.faults = []  # type: List[str]

    @property
    def study_uid(self) -> str:
        uid = str(self.study.get("study_instance_uid") or self.header.get("study_instance_uid") or "")
        return uid if re.match(UID + "$", uid) else "unknown-study"

    @property
    def digest(self) -> str:
        digest = str(self.header.get("pack_digest", ""))
        return digest if re.match(r"[0-9a-f]{64}$", digest) else "unknown-pack"

    def learn(self, name: str, data: bytes) -> bool:
        """Take one of the describing members in; says whether it is good."""
        if name == HEADER:
            self.header = load_json(data)
            claimed = str(self.header.get("sha256"))
            blank = data.replace(f'"sha256":"{claimed}"'.encode(), b'"sha256":"' + b"0" * 64 + b'"')
            return bool(self.header) and hashlib.sha256(blank).hexdigest() == claimed
        if name == MANIFEST:
            self.manifest = manifest_of(data)
            return hashlib.sha256(data).hexdigest() == self.header.get("pack_digest")
        if hashlib.sha256(data).hexdigest() != self.manifest.get(name):
            return False
        self.study = load_json(data)
        return True

    def note(self, name: str, good: bool) -> None:
        """Remember how a member was."""
        self.seen[name] = good
        if not good:
            self.faults.append("damaged: " + name)

    def conclude(self, target: Target) -> bool:
        """Say how the pack is; whether all of it that was asked for is good."""
        for name in self.manifest:
            if name not in self.seen:
                self.faults.append("missing: " + name)
        if not self.manifest:
            self.faults.append("no manifest: nothing can be proved")
        wanted = [name for name in self.seen if name.endswith(".dcm") and target.wants(self.study_uid, name)]
        patient = self.study.get("patient", {})
        about = f"{self.study_uid} {patient.get('patient_name', '')!a}"
        if self.header.get("kind") == "catalog":
            about = "a copy of the catalog"
        state = "BAD" if self.faults else "good"
        number = self.header.get("sequence", "?")
        print(f"{state:4} {self.place}: pack {self.digest[:16]}, number {number}: {about}, {len(wanted)} images")
        for fault in self.faults:
            print("       " + fault)
        return not self.faults


def read_pack(stream: Stream, first: bytes, place: str, target: Target, list_only: bool) -> bool:
    """One pack from a tape file. Says whether it is good."""
    pack = Pack(place)
    found = next_header(stream, first)
    sizes = {}  # type: Dict[str, int]
    todo = []  # type: List[str]
    while found is not None:
        name, size = found
        if name in (HEADER, MANIFEST, STUDY):
            data = b"".join(content(stream, size))
            pack.note(name, pack.learn(name, data))
            target.receive(pack.study_uid, pack.digest, name, iter([data]), None)
            if name == STUDY and pack.seen[name]:
                if list_only:
                    pack.seen.update(dict.fromkeys(pack.manifest, True))
                    break
                # From here on every place is known, whatever the header blocks say.
                sizes = sizes_of(pack.study)
                todo = [member for member in pack.manifest if member in sizes]
        else:
            pieces = content(stream, size)
            pack.note(name, target.receive(pack.study_uid, pack.digest, name, pieces, pack.manifest.get(name, "")))
        if todo:
            name = todo.pop(0)
            stream.read(BLOCK if sizes[name] < 8**11 else 3 * BLOCK)
            found = name, sizes[name]
        else:
            found = next_header(stream, stream.read(BLOCK))
    return pack.conclude(target)


def read_tape_file(records: Records, place: str, target: Target, list_only: bool) -> bool:
    """One tape file, whatever it is."""
    stream = Stream(records)
    first = stream.read(BLOCK)
    if first.startswith(b"FIRN VOLUME LABEL"):
        rest = first + stream.read(65536 - BLOCK)
        body = rest.partition(b"--- BEGIN FIRN LABEL ---\n")[2].partition(b"--- END")[0]
        lines = body.decode("ascii", "replace").split("\n")[:-1]
        print(f"label {place}: {', '.join(lines)}")
        return True
    found = parse_block(first)
    if found and found[0] == "README.TXT":
        return True
    return read_pack(stream, first, place, target, list_only)


def find(root: Path, relative: str) -> Optional[Path]:
    """A file on a disc, however the system spells upper and lower case."""
    path = root / relative
    if path.exists():
        return path
    path = root
    for part in relative.split("/"):
        names = {entry.name.lower(): entry for entry in path.iterdir()} if path.is_dir() else {}
        if part.lower() not in names:
            return None
        path = names[part.lower()]
    return path


def read_whole(path: Optional[Path]) -> bytes:
    """A small file, empty if it cannot be read."""
    try:
        return path.read_bytes() if path else b""
    except OSError:
        return b""


def file_records(path: Path) -> Records:
    """A file in pieces; what cannot be read is replaced by NULs."""
    with path.open("rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        start = 0
        while start < size:
            try:
                file.seek(start)
                piece = file.read(min(RECORD, size - start)) or b""
            except OSError:
                piece = b""
            piece = piece or bytes(min(RECORD, size - start))
            start += len(piece)
            yield piece


def read_disc(root: Path, target: Target, list_only: bool) -> bool:
    """All packs of a mounted disc."""
    archive = find(root, "ARCHIVE") or root
    good = True
    for folder in sorted((entry for entry in archive.iterdir() if entry.name.isdigit()), key=lambda e: int(e.name)):
        pack = Pack(str(folder))
        for name in (HEADER, MANIFEST, STUDY):
            data = read_whole(find(folder, name))
            pack.note(name, pack.learn(name, data))
            target.receive(pack.study_uid, pack.digest, name, iter([data]), None)
        places = read_whole(find(folder, "FILES.sha256")).decode("ascii", "replace").split("\n")
        for (name, digest), line in zip(pack.manifest.items(), places):
            place = LINE.match(line)
            path = find(root, place.group(2)) if place and place.group(1) == digest else None
            if name != STUDY and path:
                good_file = list_only or target.receive(pack.study_uid, pack.digest, name, file_records(path), digest)
                pack.note(name, good_file)
        good &= pack.conclude(target)
    return good


def tape_files(read: Callable[[], bytes], skip_record: Callable[[], None]) -> Iterator[Iterator[bytes]]:
    """The files of a tape. `read` gives a record, or nothing at a filemark and at the end of data.

    An unreadable record becomes as many NULs.
    """
    while True:
        first = next_record(read, skip_record)
        if not first:
            return

        def rest(record: bytes) -> Records:
            while record:
                yield record
                record = next_record(read, skip_record)

        file = rest(first)
        yield file
        for _ in file:
            pass


def next_record(read: Callable[[], bytes], skip_record: Callable[[], None]) -> bytes:
    """One record, or nothing at a mark."""
    try:
        return read()
    except OSError as wrong:
        if wrong.errno != errno.EIO:
            raise
    try:
        skip_record()
    except OSError:
        return b""  # the end of data: there is nothing to pass over
    return bytes(RECORD)


def tape_command(handle: int, operation: int, count: int) -> None:
    """Position a drive or set it up."""
    fcntl.ioctl(handle, MTIOCTOP, struct.pack("hi", operation, count))


def read_tape(device: Path, target: Target, list_only: bool) -> bool:
    """A whole tape, from its beginning."""
    handle = os.open(str(device), os.O_RDONLY)
    try:
        for operation in (MTREW, MTSETBLK):
            tape_command(handle, operation, 0)
        good = True
        files = tape_files(lambda: os.read(handle, READ), lambda: tape_command(handle, MTFSR, 1))
        for number, records in enumerate(files):
            good &= read_tape_file(records, f"{device} file {number}", target, list_only)
        return good
    finally:
        os.close(handle)


def read_place(place: Path, target: Target, list_only: bool) -> bool:
    """A device, a file, a folder of files or a disc."""
    if stat.S_ISCHR(place.stat().st_mode):
        return read_tape(place, target, list_only)
    if not place.is_dir():
        return read_tape_file(file_records(place), str(place), target, list_only)
    if find(place, "ARCHIVE"):
        return read_disc(place, target, list_only)
    good = True
    for path in sorted(entry for entry in place.iterdir() if entry.is_file()):
        good &= read_tape_file(file_records(path), str(path), target, list_only)
    return good


def main(arguments: List[str]) -> int:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["list", "verify", "extract"])
    parser.add_argument("places", nargs="+", metavar="PLACE")
    parser.add_argument("--to", metavar="FOLDER", help="where extracted files go")
    parser.add_argument("--uid", action="append", default=[], help="only this study, series or instance")
    options = parser.parse_args(arguments)
    if (options.what == "extract") != (options.to is not None):
        parser.error("extract needs --to FOLDER, and only extract takes it")
    target = Target(Path(options.to) if options.to else None, options.uid)
    good = True
    for place in options.places:
        good &= read_place(Path(place), target, options.what == "list")
    print("everything is good" if good else "NOT everything is good: see the lines that begin with BAD")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
