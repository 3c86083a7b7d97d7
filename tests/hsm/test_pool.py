"""The online pool: what is acknowledged is durable, what is deleted was proved."""

import errno
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from hsm import durable
from hsm import pool as pool_module
from hsm.facts import PoolFile, ReleasedFile, StudyUid
from hsm.pool import (
    INCOMING,
    SENTINEL,
    OnlinePool,
    PoolError,
    PoolFileMissing,
    PoolFull,
    PoolMissing,
    PoolPathInvalid,
)
from hsm.proof import PROVER, ProofForged, ReleaseProof

NOW = datetime(2025, 1, 31, tzinfo=UTC)
LATER = datetime(2099, 1, 1, tzinfo=UTC)
STUDY, SERIES, SOP = "1.2.3", "1.2.3.4", "1.2.3.4.5"


@pytest.fixture
def pool(tmp_path: Path) -> OnlinePool:
    """A pool of one directory."""
    return OnlinePool.create([tmp_path / "pool"], 0, tmp_path / "quarantine")


def put(
    pool: OnlinePool, content: bytes = b"image", study: str = STUDY, series: str = SERIES, sop: str = SOP
) -> PoolFile:
    with pool.incoming(len(content)) as incoming:
        incoming.file.write(content)
        return pool.adopt(incoming, study, series, SOP)


def read(pool: OnlinePool, file: PoolFile) -> bytes:
    with pool.open(file) as stream:
        return stream.read()


def proof(*files: PoolFile) -> ReleaseProof:
    released = tuple(ReleasedFile(n, file, 5) for n, file in enumerate(files))
    return ReleaseProof(StudyUid(STUDY), released, NOW, {1: (1, 2)}, PROVER)


def tree(directory: Path) -> set[str]:
    return {path.relative_to(directory).as_posix() for path in directory.rglob("*")}


# -- taking in --


def test_what_was_adopted_is_read_back(pool: OnlinePool) -> None:
    file = put(pool)
    assert read(pool, file) == b"image"
    assert file.path.startswith(f"{STUDY}/{SERIES}/{SOP}.")
    assert list(pool.files()) == [file]
    assert pool.locate(file).stat().st_mode & 0o007 == 0


def test_every_arrival_is_its_own_file(pool: OnlinePool) -> None:
    first, second = put(pool, b"first"), put(pool, b"second")
    pool.discard(first)
    assert read(pool, second) == b"second"
    with pytest.raises(PoolFileMissing):
        pool.open(first)


def test_a_name_that_is_taken_is_not_written_over(pool: OnlinePool, monkeypatch: pytest.MonkeyPatch) -> None:
    tokens = iter(["a" * 16, "0" * 8, "b" * 16, "0" * 8, "1" * 8])
    monkeypatch.setattr(secrets, "token_hex", lambda _n: next(tokens))
    first, second = put(pool, b"first"), put(pool, b"second")
    assert (read(pool, first), read(pool, second)) == (b"first", b"second")


def test_an_arrival_that_fails_leaves_nothing(pool: OnlinePool, tmp_path: Path) -> None:
    with pytest.raises(ConnectionResetError), pool.incoming() as incoming:
        incoming.file.write(b"half an im")
        raise ConnectionResetError
    with pool.incoming() as incoming:
        incoming.file.write(b"never adopted")
    assert tree(tmp_path / "pool") == {SENTINEL, INCOMING}


@pytest.mark.parametrize("uid", ["", "..", "1..2", "../../x", "1/2", "1" * 65, "1.2\n", "x"])
def test_what_is_no_uid_never_names_a_file(pool: OnlinePool, tmp_path: Path, uid: str) -> None:
    for uids in ((uid, SERIES, SOP), (STUDY, uid, SOP), (STUDY, SERIES, uid)):
        with pytest.raises(PoolPathInvalid), pool.incoming() as incoming:
            pool.adopt(incoming, *uids)
    assert tree(tmp_path / "pool") == {SENTINEL, INCOMING}


@pytest.mark.parametrize(
    "path", ["../etc/passwd", "1/2/3.dcm", f"{STUDY}/{SERIES}/{SOP}.dcm", "/1/2/3.00000000.dcm", "../../1.00000000.dcm"]
)
def test_only_what_the_pool_named_is_opened(pool: OnlinePool, tmp_path: Path, path: str) -> None:
    with pytest.raises(PoolPathInvalid):
        pool.open(PoolFile(tmp_path / "pool", path))
    with pytest.raises(PoolPathInvalid):
        pool.open(PoolFile(tmp_path, f"{STUDY}/{SERIES}/{SOP}.00000000.dcm"))


def test_the_directory_with_most_room_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = OnlinePool.create([tmp_path / name for name in "abc"], 10, tmp_path / "q")
    free = {"a": 50, "b": 70, "c": 60}
    monkeypatch.setattr(pool_module, "_free_bytes", lambda directory: free[directory.name])
    assert put(pool).directory == tmp_path / "b"
    free["b"] = 0
    assert put(pool).directory == tmp_path / "c"
    with pytest.raises(PoolFull, match="60 bytes free at most, 10 of them"):
        pool.incoming(51)
    pool.check(50)
    with pytest.raises(PoolFull):
        pool.check(51)


def test_a_pool_whose_disk_is_not_mounted_takes_and_deletes_nothing(pool: OnlinePool, tmp_path: Path) -> None:
    file = put(pool)
    with pool.incoming() as incoming:
        (tmp_path / "pool" / SENTINEL).unlink()
        with pytest.raises(PoolMissing):
            pool.adopt(incoming, STUDY, SERIES, SOP)
    for refused in (
        pool.check,
        pool.incoming,
        pool.usage,
        lambda: list(pool.files()),
        lambda: pool.delete(proof(file)),
        lambda: pool.sweep(lambda _: True, LATER),
    ):
        with pytest.raises(PoolMissing, match="mount"):
            refused()
    assert read(pool, file) == b"image"
    pool.locate(file).unlink()
    with pytest.raises(PoolMissing):
        pool.open(file)


def test_a_pool_that_is_not_there_at_all_is_missing(tmp_path: Path) -> None:
    with pytest.raises(PoolMissing, match="is not there"):
        OnlinePool([tmp_path / "nowhere"], 0, tmp_path / "q").incoming()
    with pytest.raises(ValueError, match="at least one"):
        OnlinePool([], 0, tmp_path / "q")


def test_only_create_makes_a_sentinel_and_leaves_an_old_one_alone(tmp_path: Path) -> None:
    OnlinePool.create([tmp_path / "p"], 0, tmp_path / "q")
    (tmp_path / "p" / SENTINEL).write_text("an older text")
    OnlinePool.create([tmp_path / "p"], 0, tmp_path / "q").check()
    assert (tmp_path / "p" / SENTINEL).read_text() == "an older text"


def test_a_pool_says_how_full_its_file_systems_are(tmp_path: Path) -> None:
    one = OnlinePool.create([tmp_path / "a"], 0, tmp_path / "q").usage()
    two = OnlinePool.create([tmp_path / "a", tmp_path / "b"], 0, tmp_path / "q").usage()
    assert one.capacity_bytes == one.used_bytes + one.free_bytes
    assert two.capacity_bytes < 1.5 * one.capacity_bytes  # one file system, counted once


def failing(number: int) -> Callable[..., Any]:
    def fail(*_args: Any, **_more: Any) -> Any:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_said_to_be_full_wherever_it_shows(
    pool: OnlinePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with pytest.raises(PoolFull), pool.incoming() as incoming:
        failing(number)()
    with monkeypatch.context() as patch, pytest.raises(PoolFull), pool.incoming() as incoming:
        patch.setattr(os, "fsync", failing(number))
        pool.adopt(incoming, STUDY, SERIES, SOP)
    with monkeypatch.context() as patch, pytest.raises(PoolFull):
        patch.setattr(pool_module, "Incoming", failing(number))
        pool.incoming()
    assert tree(tmp_path / "pool") == {SENTINEL, INCOMING}


def test_other_errors_of_the_disk_are_passed_on(pool: OnlinePool, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output"), pool.incoming() as incoming:
        patch.setattr(os, "fsync", failing(errno.EIO))
        pool.adopt(incoming, STUDY, SERIES, SOP)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output"):
        patch.setattr(pool_module, "Incoming", failing(errno.EIO))
        pool.incoming()


def test_what_cannot_be_flushed_when_it_is_given_up_is_removed_all_the_same(tmp_path: Path, pool: OnlinePool) -> None:
    with pool.incoming() as incoming:
        incoming.file.write(b"buffered")
        os.close(incoming.file.fileno())
    assert tree(tmp_path / "pool") == {SENTINEL, INCOMING}


def test_the_folder_for_arrivals_is_made_again_when_somebody_removed_it(pool: OnlinePool, tmp_path: Path) -> None:
    (tmp_path / "pool" / INCOMING).rmdir()
    assert read(pool, put(pool)) == b"image"


# -- durability --


class Disk:
    """Records what is done to the file system, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.steps: list[tuple[str, Path]] = []
        self.crash_at: int | None = None
        real_fsync, real_rename, real_mkdir, real_unlink, real_rmdir = (
            os.fsync,
            Path.rename,
            Path.mkdir,
            Path.unlink,
            Path.rmdir,
        )

        def step(name: str, path: Path) -> None:
            if self.crash_at == len(self.steps):
                raise KeyboardInterrupt("the machine stops here")
            self.steps.append((name, path))

        def fsync(handle: int) -> None:
            step("fsync", Path(f"/proc/self/fd/{handle}").readlink())
            real_fsync(handle)

        def rename(path: Path, target: Path) -> Path:
            step("rename", target)
            return real_rename(path, target)

        def mkdir(path: Path, *args: Any, **more: Any) -> None:
            real_mkdir(path, *args, **more)
            step("mkdir", path)

        def unlink(path: Path, missing_ok: bool = False) -> None:
            step("unlink", path)
            real_unlink(path, missing_ok)

        def rmdir(path: Path) -> None:
            real_rmdir(path)
            step("rmdir", path)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(Path, "rename", rename)
        monkeypatch.setattr(Path, "mkdir", mkdir)
        monkeypatch.setattr(Path, "unlink", unlink)
        monkeypatch.setattr(Path, "rmdir", rmdir)

    def at(self, name: str, path: Path) -> int:
        """When something was done last."""
        return max(number for number, step in enumerate(self.steps) if step == (name, path))


def test_content_and_every_name_are_durable_when_a_file_is_adopted(
    pool: OnlinePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "pool"
    disk = Disk(monkeypatch)
    incoming = pool.incoming()
    incoming.file.write(b"image")
    file = pool.adopt(incoming, STUDY, SERIES, SOP)
    target = pool.locate(file)
    renamed = disk.at("rename", target)
    assert disk.at("fsync", incoming.path) < renamed
    assert renamed < disk.at("fsync", target.parent)
    for folder in (root / STUDY, root / STUDY / SERIES):
        assert disk.at("mkdir", folder) < disk.at("fsync", folder.parent) < renamed


def test_a_second_file_of_a_series_costs_two_flushes(pool: OnlinePool, monkeypatch: pytest.MonkeyPatch) -> None:
    put(pool)
    disk = Disk(monkeypatch)
    put(pool)
    assert [name for name, _ in disk.steps if name == "fsync"] == ["fsync", "fsync"]


def test_a_folder_that_was_removed_and_made_again_is_made_durable_again(
    pool: OnlinePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool.discard(put(pool))
    assert tree(tmp_path / "pool") == {SENTINEL, INCOMING}
    disk = Disk(monkeypatch)
    put(pool)
    assert disk.at("fsync", tmp_path / "pool") < disk.at("fsync", tmp_path / "pool" / STUDY)


def test_many_folders_are_not_all_remembered(pool: OnlinePool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "_KNOWN_FOLDERS", 2)
    files = [put(pool, series=f"{SERIES}.{n}") for n in range(5)]
    assert [read(pool, file) for file in files] == [b"image"] * 5


def test_a_machine_that_stops_at_any_step_leaves_the_whole_file_or_none(
    pool: OnlinePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "pool"
    step = 0
    while True:
        with monkeypatch.context() as patch:
            disk = Disk(patch)
            disk.crash_at = step
            incoming = pool.incoming()  # not in a with block: a machine that stops cleans nothing up
            incoming.file.write(b"image")
            try:
                pool.adopt(incoming, STUDY, SERIES, SOP)
                stopped = False
            except KeyboardInterrupt:
                stopped = True
        after = OnlinePool([root], 0, tmp_path / "quarantine")
        found = list(after.files())
        assert [read(after, file) for file in found] in ([], [b"image"])
        assert stopped or found
        swept = after.sweep(lambda _: False, LATER)
        assert list(swept.orphans) == found
        assert list((root / INCOMING).iterdir()) == []
        for file in found:
            after.discard(file)
        if not stopped:
            break
        step += 1
    assert step >= 4


CHILD = """
import sys
from pathlib import Path
from hsm.pool import OnlinePool
pool = OnlinePool([Path(sys.argv[1])], 0, Path(sys.argv[2]))
number = 0
while True:
    number += 1
    with pool.incoming() as incoming:
        incoming.file.write(b"%d" % number * 1000)
        file = pool.adopt(incoming, "1.2", f"1.2.{number % 3}", f"1.2.3.{number}")
    print(number, file.path, flush=True)
"""


@pytest.mark.crash
def test_a_process_that_is_killed_loses_nothing_it_acknowledged(pool: OnlinePool, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", CHILD, str(tmp_path / "pool"), str(tmp_path / "q")]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        said = [child.stdout.readline() for _ in range(40)]
        child.send_signal(signal.SIGKILL)
        said += child.stdout.readlines()
    complete = [line.split() for line in said if line.endswith("\n")]
    assert len(complete) >= 40
    for number, path in complete:
        assert read(pool, PoolFile(tmp_path / "pool", path)) == number.encode() * 1000


# -- letting go --


def test_proved_files_are_deleted_and_the_folders_with_them(pool: OnlinePool, tmp_path: Path) -> None:
    files = [put(pool, b"12345", series=f"{SERIES}.{n}") for n in range(2)]
    assert pool.delete(proof(*files)) == 10
    assert tree(tmp_path / "pool") == {SENTINEL, INCOMING}


def test_a_deletion_may_be_repeated(pool: OnlinePool) -> None:
    files = [put(pool, b"12345"), put(pool, b"12345")]
    pool.locate(files[0]).unlink()
    assert pool.delete(proof(*files)) == 5
    assert pool.delete(proof(*files)) == 0


def test_what_is_not_in_the_proof_stays(pool: OnlinePool) -> None:
    goes, stays = put(pool, b"goes"), put(pool, b"stays")
    pool.delete(proof(goes))
    assert read(pool, stays) == b"stays"


def test_a_proof_with_a_path_outside_deletes_nothing(pool: OnlinePool, tmp_path: Path) -> None:
    good, victim = put(pool), tmp_path / "victim"
    victim.write_text("precious")
    for bad in (PoolFile(tmp_path / "pool", "../victim"), PoolFile(tmp_path, good.path)):
        with pytest.raises(PoolPathInvalid):
            pool.delete(proof(good, bad))
    assert victim.exists()
    assert read(pool, good) == b"image"


def test_a_deletion_is_durable_when_it_returns(
    pool: OnlinePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone, kept = put(pool), put(pool, series=SERIES + ".7", study="9.9")
    beside = put(pool, series=SERIES + ".7", study="9.9")
    disk = Disk(monkeypatch)
    pool.delete(proof(alone, beside))
    root = tmp_path / "pool"
    assert disk.at("unlink", pool.locate(beside)) < disk.at("fsync", pool.locate(kept).parent)
    assert disk.at("rmdir", root / STUDY) < disk.at("fsync", root)


def test_only_a_proof_deletes(pool: OnlinePool) -> None:
    file = put(pool)
    fake: Any = ReleasedFile(1, file, 5)
    with pytest.raises(TypeError, match="only against a ReleaseProof"):
        pool.delete(fake)
    with pytest.raises(ProofForged):
        ReleaseProof(StudyUid(STUDY), (), NOW, {})
    with pytest.raises(ProofForged):
        ReleaseProof(StudyUid(STUDY), (), NOW, {}, object())


def test_nobody_but_the_catalog_takes_the_provers_token() -> None:
    root = Path(pool_module.__file__).parents[1]
    users = {
        path.relative_to(root).as_posix()
        for package in ("hsm", "drivers", "web", "appliance")
        for path in (root / package).rglob("*.py")
        if "PROVER" in path.read_text("utf-8")
    }
    assert users <= {"hsm/proof.py", "hsm/catalog/release.py"}


# -- quarantine --


def test_what_was_not_accepted_is_kept(pool: OnlinePool, tmp_path: Path) -> None:
    with pool.incoming() as incoming:
        incoming.file.write(b"strange")
        arrived = pool.quarantine(incoming, "1.2.3/../../étrange\0")
    adopted = pool.quarantine(put(pool), SOP)
    loose = tmp_path / "loose"
    loose.write_bytes(b"loose")
    moved = pool.quarantine(loose, "...")
    assert [path.read_bytes() for path in (arrived, adopted, moved)] == [b"strange", b"image", b"loose"]
    assert {path.parent for path in (arrived, adopted, moved)} == {tmp_path / "quarantine"}
    assert arrived.name.startswith("1.2.3_.._.._")
    assert moved.name.startswith("unnamed.")
    assert tree(tmp_path / "pool") == {SENTINEL, INCOMING}


def test_a_quarantine_on_another_file_system_gets_a_durable_copy(
    pool: OnlinePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    rename = Path.rename

    def across(path: Path, target: Path) -> Path:
        if path.parent != Path(target).parent:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", across)
    incoming = pool.incoming()
    incoming.file.write(b"strange")
    path = pool.quarantine(incoming, "x")
    assert path.read_bytes() == b"strange"
    assert not incoming.path.exists()
    copied = path.with_name(f".{path.name}.part")
    assert disk.at("fsync", copied) < disk.at("rename", path) < disk.at("fsync", path.parent)
    assert disk.at("fsync", path.parent) < disk.at("unlink", incoming.path)


def test_a_quarantine_that_was_removed_is_made_again(pool: OnlinePool, tmp_path: Path) -> None:
    (tmp_path / "quarantine").rmdir()
    assert pool.quarantine(put(pool), "x").read_bytes() == b"image"


def test_what_cannot_be_moved_stays(pool: OnlinePool, monkeypatch: pytest.MonkeyPatch) -> None:
    file = put(pool)
    with monkeypatch.context() as patch, pytest.raises(OSError, match="Input/output"):
        patch.setattr(Path, "rename", failing(errno.EIO))
        pool.quarantine(file, "x")
    assert read(pool, file) == b"image"


# -- sweeping --


def test_a_sweep_removes_old_leftovers_and_names_what_the_catalog_does_not_know(
    pool: OnlinePool, tmp_path: Path
) -> None:
    known, orphan, fresh = put(pool), put(pool), put(pool)
    day_ago = (NOW - timedelta(days=1)).timestamp()
    for path in (pool.locate(known), pool.locate(orphan)):
        os.utime(path, (day_ago, day_ago))
    (tmp_path / "pool" / STUDY / SERIES / "notes.txt").write_text("not ours")
    leftover, arriving = tmp_path / "pool" / INCOMING / "1-a", tmp_path / "pool" / INCOMING / "1-b"
    leftover.write_bytes(b"12345")
    arriving.write_bytes(b"")
    os.utime(leftover, (day_ago, day_ago))
    swept = pool.sweep(lambda file: file == known, NOW)
    assert (swept.leftovers, swept.leftover_bytes, swept.orphans) == (1, 5, (orphan,))
    assert not leftover.exists()
    assert arriving.exists()
    assert read(pool, orphan) == read(pool, fresh) == b"image"


def test_a_sweep_lets_pass_what_goes_while_it_looks(
    pool: OnlinePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(pool)
    (tmp_path / "pool" / INCOMING / "1-a").write_bytes(b"")
    monkeypatch.setattr(Path, "stat", failing(errno.ENOENT))
    monkeypatch.setattr(OnlinePool, "_check_sentinel", lambda *_: None)
    swept = pool.sweep(lambda _: False, LATER)
    assert (swept.leftovers, swept.orphans) == (0, ())


# -- several at once --


def test_adopting_and_deleting_in_one_folder_at_once_loses_nothing(pool: OnlinePool, tmp_path: Path) -> None:
    """Each thread removes its file, and so often the folder, while the others put theirs in."""
    kept: list[PoolFile] = []
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(60):
                file = put(pool, b"%d" % number)
                if turn % 20 == 19:
                    kept.append(file)
                else:
                    assert pool.delete(proof(file)) == 1
        except (AssertionError, OSError, PoolError) as wrong:
            errors.append(wrong)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(kept) == 12
    assert set(pool.files()) == set(kept)


def test_a_folder_that_vanishes_before_the_rename_is_made_again(
    pool: OnlinePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename, times = Path.rename, []

    def vanishing(path: Path, target: Path) -> Path:
        times.append(target)
        if len(times) == 1:
            target.parent.rmdir()
            target.parent.parent.rmdir()
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", vanishing)
    assert read(pool, put(pool)) == b"image"
    assert len(times) == 2


def test_a_folder_that_vanishes_while_it_is_made_is_made_again(
    pool: OnlinePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, times = durable.make_folder, []

    def vanishing(folder: Path) -> None:
        make(folder)
        times.append(folder)
        if len(times) == 1:
            folder.rmdir()

    monkeypatch.setattr(durable, "make_folder", vanishing)
    assert read(pool, put(pool)) == b"image"


def test_a_folder_that_vanishes_while_it_is_looked_at_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir, times = Path.mkdir, []

    def vanishing(path: Path, mode: int = 0o777) -> None:
        times.append(path)
        if len(times) == 1:
            raise FileExistsError(errno.EEXIST, "File exists")
        mkdir(path, mode)

    monkeypatch.setattr(Path, "mkdir", vanishing)
    durable.make_folder(tmp_path / "folder")
    assert (tmp_path / "folder").is_dir()


def test_folders_that_vanish_while_the_pool_is_listed_are_passed_over(pool: OnlinePool, tmp_path: Path) -> None:
    files = [put(pool, series=f"{SERIES}.{n}") for n in range(3)]
    listed = pool.files()
    found = [next(listed)]
    for file in files:
        pool.discard(file)
    assert found + list(listed) == found


def test_an_arrival_that_somebody_took_away_is_an_error(pool: OnlinePool) -> None:
    with pool.incoming() as incoming:
        incoming.path.unlink()
        with pytest.raises(FileNotFoundError):
            pool.adopt(incoming, STUDY, SERIES, SOP)


def test_a_file_in_the_place_of_a_folder_is_an_error(pool: OnlinePool, tmp_path: Path) -> None:
    (tmp_path / "pool" / STUDY).write_text("in the way")
    with pytest.raises(NotADirectoryError):
        put(pool)
    (tmp_path / "pool" / STUDY).unlink()
    (tmp_path / "pool" / STUDY).mkdir()
    (tmp_path / "pool" / STUDY / SERIES).write_text("in the way")
    with pytest.raises(FileExistsError):
        put(pool)


def test_a_folder_that_cannot_be_removed_is_an_error_unless_it_is_used_or_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not durable.remove_if_empty(tmp_path / "nowhere")
    monkeypatch.setattr(Path, "rmdir", failing(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        durable.remove_if_empty(tmp_path)


def test_the_nearest_folder_that_is_left_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    durable.sync_nearest(tmp_path / "gone" / "gone too")
    assert disk.steps == [("fsync", tmp_path)]
