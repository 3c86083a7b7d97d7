"""The log pages of a tape drive. Source: SPC-4 section 7.3, SSC-4 section 8.2; page 31h as LTO drives have it."""

from collections import Counter
from collections.abc import Mapping

from drivers.simulator.bay import Bay
from drivers.simulator.cartridge import Cartridge
from drivers.simulator.mechanism import TapeMechanism
from drivers.simulator.scsi.density import DENSITIES
from drivers.simulator.scsi.identity import VENDOR, padded
from drivers.simulator.scsi.logs import LogPage, Parameter, number, tape_alert
from drivers.simulator.state import Place

_DATA_SET_BYTES = 2_472_960
_MB, _MIB = 1_000_000, 1024 * 1024
_LOADING, _CLEANING = 2, 1  # activities
_CLEAN_NOW = 20  # a TapeAlert flag


class TapeLogs:
    """What one drive has to tell of itself and the cartridge in it."""

    def __init__(self, mechanism: TapeMechanism) -> None:
        self._drive = mechanism
        self._bay: Bay = mechanism.bay
        self._told: set[int] = set()  # standing TapeAlert flags that were read already

    def pages(self) -> Mapping[int, LogPage]:
        """All pages by number."""
        return {
            0x02: LogPage(lambda: self._errors("write")),
            0x03: LogPage(lambda: self._errors("read")),
            0x0C: LogPage(self._sequential),
            0x11: LogPage(self._device_status),
            0x17: LogPage(self._volume),
            0x2E: LogPage(lambda: tape_alert(self._alerts()), self._alerts_told),
            0x31: LogPage(self._capacity),
        }

    def _cartridge(self) -> Cartridge | None:
        place = self._drive.look()
        return None if place is None or place.released else self._drive.cartridge

    def _errors(self, kind: str) -> list[Parameter]:
        self._cartridge()
        session = self._drive.session
        processed = session["bytes_written" if kind == "write" else "bytes_read"]
        uncorrected = session[f"{kind}_errors"]
        return [
            *(number(code, 0) for code in range(5)),
            number(5, processed, 8),
            number(6, uncorrected),
        ]

    def _sequential(self) -> list[Parameter]:
        cartridge, session = self._cartridge(), self._drive.session
        written, read = session["bytes_written"], session["bytes_read"]
        values = [number(0, written, 8), number(1, written, 8), number(2, read, 8), number(3, read, 8)]
        if cartridge is not None:
            here = cartridge.offset_of(self._drive.position or 0)
            values += [
                number(4, cartridge.used_bytes // _MB),
                number(5, cartridge.warning_bytes // _MB),
                number(6, cartridge.reserve_bytes // _MB),
                number(7, here // _MB),
                number(8, 0),
            ]
        return [*values, number(0x100, int(self._bay.memory.needs_cleaning), 8)]

    def _device_status(self) -> list[Parameter]:
        place = self._drive.look()
        inside = place is not None and not place.released
        cartridge = self._drive.cartridge if inside else None
        needs = self._drive.needs_cleaning(place)
        loading = inside and place is not None and self._bay.remaining_s(place) > 0
        mounted = cartridge is not None and not loading
        first = 0x06 if needs else 0x00  # cleaning requested and required
        first |= 0x08 if cartridge is not None and self._drive.protected(cartridge) else 0x00
        second = 0x80 | (0x10 if place is not None else 0) | (0x07 if mounted else 0)
        second |= 0x20 if place is None or place.released else 0x00  # the robot may come
        if loading:
            activity = _LOADING
        else:
            activity = _CLEANING if inside and cartridge is None and not self._known(place) else 0
        return [(0, bytes([first, second, activity, 0])), (1, (1000).to_bytes(2, "big"))]

    def _known(self, place: Place | None) -> bool:
        return place is not None and self._drive.medium(place) in DENSITIES

    def _volume(self) -> list[Parameter]:
        cartridge, session = self._cartridge(), self._drive.session
        if cartridge is None:
            return [number(0x0000, 0)]
        life: Counter[str] = cartridge.counters()
        place = self._drive.look()
        barcode = "" if place is None else place.barcode
        return [
            number(0x0000, 1),
            number(0x0001, life["mounts"]),
            number(0x0002, life["bytes_written"] // _DATA_SET_BYTES, 8),
            number(0x0003, 0),
            number(0x0004, life["write_errors"]),
            number(0x0005, 0),
            number(0x0006, 0),
            number(0x0007, life["bytes_read"] // _DATA_SET_BYTES, 8),
            number(0x0008, 0),
            number(0x0009, life["read_errors"]),
            number(0x000C, session["write_errors"]),
            number(0x000D, session["read_errors"]),
            number(0x000E, session["bytes_written"] // _MB),
            number(0x000F, session["bytes_read"] // _MB),
            number(0x0010, life["bytes_written"] // _MB, 8),
            number(0x0011, life["bytes_read"] // _MB, 8),
            number(0x0016, cartridge.capacity_bytes // _MB),
            number(0x0017, cartridge.used_bytes // _MB),
            (0x0040, padded(cartridge.volume, 32)),
            (0x0042, padded(barcode, 32)),
            (0x0043, padded(VENDOR, 8)),
            (0x0045, padded(cartridge.medium.replace("LTO", "Ultrium"), 9)),
            number(0x0080, int(self._drive.protected(cartridge)), 1),
            number(0x0081, int(cartridge.worm), 1),
            number(0x0101, life["mounts"]),
            number(0x0102, life["mounts"]),
        ]

    def _alerts(self) -> set[int]:
        standing = self._drive.alerts(self._drive.look())
        self._told &= standing  # what went away and comes back is news
        return standing - self._told | self._drive.latched

    def _alerts_told(self) -> None:
        self._told = self._drive.alerts(self._drive.look()) - {_CLEAN_NOW}  # that one stays up until it was cleaned
        self._drive.latched.clear()

    def _capacity(self) -> list[Parameter]:
        cartridge = self._cartridge()
        if cartridge is None:
            return [number(code, 0) for code in range(1, 5)]
        whole, used = cartridge.capacity_bytes, cartridge.used_bytes
        return [number(1, max(whole - used, 0) // _MIB), number(2, 0), number(3, whole // _MIB), number(4, 0)]
