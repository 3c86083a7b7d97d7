"""Devices are found by what they are and by serial number, whatever the kernel calls them today."""

from pathlib import Path

import pytest

from drivers.attached import AttachedKind, attached, find, state

LIBRARY: tuple[tuple[str, int, str, str, str, str | None, dict[str, str]], ...] = (
    # sg, type, vendor, model, revision, serial number as the device pads it, names of its driver
    ("sg0", 12, "IET     ", "Controller      ", "0001", None, {}),
    ("sg1", 1, "IBM     ", "ULT3580-TD6     ", "G9Q1", "                          10WT000001", {"scsi_tape": "nst0"}),
    ("sg2", 1, "IBM     ", "ULT3580-TD6     ", "G9Q1", "                          10WT000002", {"scsi_tape": "nst1"}),
    ("sg10", 8, "IBM     ", "3573-TL         ", "C.20", "00L4U78W0001\0\0\0\0", {"scsi_changer": "sch0"}),
    ("sg5", 5, "HL-DT-ST", "DVDRAM GH24     ", "1.00", None, {"block": "sr0"}),
    ("sg6", 0, "ATA     ", "A disk          ", "1   ", "D1SK", {"block": "sda"}),
)
LINKS = (
    ("tape", "scsi-00L4U78W0001", "sg10"),
    ("tape", "scsi-10WT000001", "st0"),
    ("tape", "scsi-10WT000001-nst", "nst0"),
    ("tape", "scsi-360000000000000000000a0e000d000e1-nst", "nst0"),
    ("tape", "scsi-36000000000000000000a0e000c0a00e0-changer", "sg10"),
    ("disk", "scsi-360000000000000000000000a0e000d0d", "sr0"),
    ("disk", "wwn-0x60000000000000000000000a0e000d0d", "sr0"),
)


class Machine:
    """A miniature of /sys, /dev and /run/udev/data."""

    def __init__(self, root: Path) -> None:
        self.sysfs, self.dev, self.udev = root / "sys", root / "dev", root / "udev"
        self.udev.mkdir()
        for sg, kind, vendor, model, revision, serial, drivers in LIBRARY:
            device = self.device(sg)
            device.mkdir(parents=True)
            facts = {"type": str(kind), "vendor": vendor, "model": model, "rev": revision, "state": "running"}
            for name, value in facts.items():
                (device / name).write_text(value + "\n")
            if serial is not None:
                page = bytes([kind, 0x80]) + len(serial).to_bytes(2, "big") + serial.encode()
                (device / "vpd_pg80").write_bytes(page)
            for driver, node in drivers.items():
                (device / driver / node).mkdir(parents=True)
                (device / driver / node / "dev").write_text("11:0\n")
                if node.startswith("nst"):
                    for other in (node[1:], node + "a", node + "l", node + "m"):
                        (device / driver / other).mkdir()
        for kind_of_link, name, target in LINKS:
            folder = self.dev / kind_of_link / "by-id"
            folder.mkdir(parents=True, exist_ok=True)
            (folder / name).symlink_to(f"../../{target}")

    def device(self, sg: str) -> Path:
        return self.sysfs / "class" / "scsi_generic" / sg / "device"


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_changers_tapes_and_recorders_are_found_and_nothing_else(machine: Machine) -> None:
    found = attached(machine.sysfs, machine.dev, machine.udev)
    assert [(d.kind, d.sg.name, d.node and d.node.name) for d in found] == [
        (AttachedKind.TAPE, "sg1", "nst0"),
        (AttachedKind.TAPE, "sg2", "nst1"),
        (AttachedKind.RECORDER, "sg5", "sr0"),
        (AttachedKind.CHANGER, "sg10", "sch0"),
    ]
    assert [d.serial for d in found] == ["10WT000001", "10WT000002", "", "00L4U78W0001"]
    assert (found[0].vendor, found[0].product, found[0].revision) == ("IBM", "ULT3580-TD6", "G9Q1")


def test_the_stable_name_is_the_one_with_the_serial_number_and_never_the_rewinding_device(machine: Machine) -> None:
    tape, other, recorder, changer = attached(machine.sysfs, machine.dev, machine.udev)
    assert tape.stable == machine.dev / "tape" / "by-id" / "scsi-10WT000001-nst"
    assert other.stable is None
    assert recorder.stable == machine.dev / "disk" / "by-id" / "scsi-360000000000000000000000a0e000d0d"
    assert changer.stable == machine.dev / "tape" / "by-id" / "scsi-00L4U78W0001"


def test_a_recorder_that_tells_only_udev_its_serial_number_has_one(machine: Machine) -> None:
    (machine.udev / "b11:0").write_text("S:cdrom\nE:ID_MODEL=GH24\nE:ID_SERIAL_SHORT=K1DVD0001 \nE:odd\n")
    found = find("K1DVD0001", AttachedKind.RECORDER, machine.sysfs, machine.dev, machine.udev)
    assert found is not None and found.node == machine.dev / "sr0"


def test_a_device_is_found_again_under_its_new_name(machine: Machine) -> None:
    before = find(" 10WT000002 ", AttachedKind.TAPE, machine.sysfs, machine.dev, machine.udev)
    assert before is not None and before.node == machine.dev / "nst1"
    machine.device("sg2").parent.rename(machine.device("sg20").parent)
    (machine.device("sg20") / "scsi_tape" / "nst1").rename(machine.device("sg20") / "scsi_tape" / "nst7")

    after = find("10WT000002", AttachedKind.TAPE, machine.sysfs, machine.dev, machine.udev)
    assert after is not None and (after.sg.name, after.node) == ("sg20", machine.dev / "nst7")
    assert find("10WT000002", AttachedKind.CHANGER, machine.sysfs, machine.dev, machine.udev) is None
    assert find("nobody", AttachedKind.TAPE, machine.sysfs, machine.dev, machine.udev) is None


def test_a_device_without_its_kernel_driver_has_no_node(machine: Machine) -> None:
    tape = machine.device("sg1") / "scsi_tape"
    tape.rename(machine.device("sg1") / "gone")
    assert attached(machine.sysfs, machine.dev, machine.udev)[0].node is None


def test_a_device_that_went_has_no_state(machine: Machine) -> None:
    tape = attached(machine.sysfs, machine.dev, machine.udev)[0]
    assert state(tape, machine.sysfs) == "running"
    (machine.device("sg1") / "state").write_text("transport-offline\n")
    assert state(tape, machine.sysfs) == "transport-offline"
    machine.device("sg1").parent.rename(machine.device("sg1").parent.with_name("elsewhere"))
    assert state(tape, machine.sysfs) is None


def test_a_name_given_to_another_device_counts_as_gone(machine: Machine) -> None:
    tape = attached(machine.sysfs, machine.dev, machine.udev)[0]
    machine.device("sg1").parent.rename(machine.device("sg1").parent.with_name("old"))
    machine.device("sg2").parent.rename(machine.device("sg1").parent)
    assert state(tape, machine.sysfs) is None


def test_a_machine_without_scsi_has_no_devices(tmp_path: Path) -> None:
    assert attached(tmp_path, tmp_path, tmp_path) == ()
