"""The block device: what its errors mean, and a file in its place for what needs no drive."""

import errno
import os
from pathlib import Path

import pytest

from drivers.errors import DeviceError, DeviceGone, DriveEmpty, DriveNotReady, MediumError
from drivers.optical.tray import KernelTray, fault


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (errno.ENOENT, DeviceGone),
        (errno.ENXIO, DeviceGone),
        (errno.ENODEV, DeviceGone),
        (errno.ENOMEDIUM, DriveEmpty),
        (errno.EBUSY, DriveNotReady),
        (errno.EACCES, DeviceError),
        (errno.EIO, MediumError),
        (errno.EINVAL, DeviceError),
        (0, DeviceError),
    ],
)
def test_what_an_error_of_the_system_means(number: int, kind: type[Exception]) -> None:
    assert type(fault("rec", OSError(number, "x"), "read", sector=7)) is kind


def test_an_unreadable_place_is_named() -> None:
    assert "sectors 6-7 " in str(fault("rec", OSError(errno.EIO, "x"), "read", sector=7))
    assert type(fault("rec", OSError(errno.EIO, "x"), "open its door")) is DeviceError


def test_an_error_of_a_device_the_kernel_gave_up_means_that_it_is_gone() -> None:
    assert type(fault("rec", OSError(errno.EIO, "x"), "read", sector=7, gone=True)) is DeviceGone


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "sr0"
    path.write_bytes(bytes(range(256)) * 16)
    return path


def sysfs(root: Path, node: Path, **facts: str) -> Path:
    folder = root / "sys" / "class" / "block" / node.name
    (folder / "device").mkdir(parents=True)
    for name, text in facts.items():
        (folder / name.replace("device_", "device/")).write_text(text)
    return root / "sys"


def test_bytes_are_read_and_the_end_is_short(file: Path) -> None:
    tray = KernelTray("rec", lambda: file)
    assert tray.address == str(file)
    assert tray.read(4, 4) == bytes([4, 5, 6, 7])
    assert tray.read(4000, 1000) == file.read_bytes()[4000:]
    assert tray.read(9999, 5) == b""
    tray.let_go()
    tray.let_go()
    assert tray.read(0, 1) == b"\0"
    tray.let_go()


def test_discs_are_counted_where_the_kernel_counts_them(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "by-id"
    link.symlink_to(file)
    assert KernelTray("rec", lambda: link, sysfs(tmp_path, file, diskseq="12\n")).change_number() == 12
    assert KernelTray("rec", lambda: file, tmp_path).change_number() is None


def test_a_file_is_no_drive_and_says_so(file: Path, tmp_path: Path) -> None:
    tray = KernelTray("rec", lambda: file, sysfs(tmp_path, file, device_state="running\n"))
    for ask in (tray.door, tray.size_bytes, tray.eject):
        with pytest.raises(DeviceError, match="Inappropriate ioctl"):
            ask()
    assert tray.close_door() is False
    tray.lock(True)  # comfort only


def test_a_device_that_is_not_there_is_gone(tmp_path: Path) -> None:
    tray = KernelTray("rec", lambda: tmp_path / "sr7", tmp_path)
    for ask in (tray.door, tray.size_bytes, tray.eject, lambda: tray.read(0, 1)):
        with pytest.raises(DeviceGone):
            ask()


def test_a_recorder_that_comes_back_under_another_number_is_used_there(file: Path, tmp_path: Path) -> None:
    nodes: list[Path | None] = [None]
    tray = KernelTray("rec", lambda: nodes[-1], sysfs(tmp_path, tmp_path / "sr9", diskseq="3\n"))
    for ask in (tray.door, lambda: tray.address, lambda: tray.read(0, 1)):
        with pytest.raises(DeviceGone, match="its power"):
            ask()
    assert tray.change_number() is None
    nodes.append(file)
    assert tray.read(1, 1) == b"\1"
    nodes.append(file.rename(tmp_path / "sr9"))
    tray.let_go()
    assert tray.read(1, 1) == b"\1"
    assert (tray.address, tray.change_number()) == (str(tmp_path / "sr9"), 3)
    nodes.append(None)
    tray.let_go()
    with pytest.raises(DeviceGone):
        tray.eject()


def test_a_device_that_went_offline_is_gone(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tray = KernelTray("rec", lambda: file, sysfs(tmp_path, file, device_state="transport-offline\n"))

    def broken(descriptor: int, size: int, offset: int) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(DeviceGone):
        tray.read(0, 2048)


def test_a_sector_that_cannot_be_read_is_a_medium_error(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tray = KernelTray("rec", lambda: file)
    whole = os.pread

    def broken(descriptor: int, size: int, offset: int) -> bytes:
        if offset + size > 2048:
            if offset >= 2048:
                raise OSError(errno.EIO, "Input/output error")
            size = 2048 - offset  # the kernel gives what comes before
        return whole(descriptor, size, offset)

    monkeypatch.setattr(os, "pread", broken)
    with pytest.raises(MediumError, match="sectors 0-1 "):
        tray.read(100, 4000)
    assert tray.read(100, 100) == file.read_bytes()[100:200]
    tray.let_go()
