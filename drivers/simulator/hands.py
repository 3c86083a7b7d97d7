"""What a person does at the library: the mail slot, the shelf beside it, the write-protect tab, the stickers.

Works on the folder alone, also from another process while the library is in use.
"""

from datetime import UTC, datetime
from pathlib import Path

from drivers.base import RECORD_BYTES, Barcode, ElementKind, MediumKind
from drivers.errors import NoSuchElement, SourceEmpty, TargetFull
from drivers.generations import MEDIA
from drivers.simulator import cartridge, recorder
from drivers.simulator.spec import VolumeSpec
from drivers.simulator.state import Place, Places, PlacesFile

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)  # hands take no device time: what they put into a drive is ready at once


class Hands:
    """A person standing in front of a simulated library."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._places = PlacesFile(root)

    def shelf(self) -> tuple[Barcode, ...]:
        """The volumes outside the library, by sticker."""
        return tuple(sorted(Barcode(p.barcode) for p in self._places.read().volumes if p.kind is None))

    def insert(self, barcode: Barcode) -> int:
        """Put a volume from the shelf into a free mail slot.

        Returns: the number of the mail slot. Raises: SourceEmpty (not on the shelf), TargetFull (no mail slot is free).
        """
        with self._places.change() as places:
            place = _named(places, barcode)
            if place.kind is not None:
                raise SourceEmpty(f"{barcode} is not on the shelf but in {place.kind.value} {place.index}")
            mail_slots = range(places.slots + 1, places.slots + places.mail_slots + 1)
            free = next((index for index in mail_slots if places.in_storage(index) is None), None)
            if free is None:
                raise TargetFull("no mail slot is free; have the robot empty one, or take a volume out")
            places.put(place, ElementKind.MAIL_SLOT, free, _LONG_AGO)
            return free

    def remove(self, barcode: Barcode) -> None:
        """Take a volume out of a mail slot and put it on the shelf.

        Raises: SourceEmpty when it is not in a mail slot.
        """
        with self._places.change() as places:
            place = _named(places, barcode)
            if place.kind is not ElementKind.MAIL_SLOT:
                where = "on the shelf" if place.kind is None else f"in {place.kind.value} {place.index}"
                raise SourceEmpty(f"{barcode} is {where}, not in a mail slot; have the robot bring it there first")
            places.put(place, None, 0, _LONG_AGO)

    def feed(self, drive: int, barcode: Barcode) -> None:
        """Put a volume from the shelf into a drive that has no robot. What its drive let go of is taken out first.

        Raises: NoSuchElement, SourceEmpty (not on the shelf), TargetFull (the drive holds a volume).
        """
        with self._places.change() as places:
            place = _named(places, barcode)
            inside = _in_drive(places, drive)
            if inside is not None and inside.released:  # it lies in the open tray
                places.put(inside, None, 0, _LONG_AGO)
                inside = None
            if place.kind is not None:
                raise SourceEmpty(f"{barcode} is not on the shelf but in {place.kind.value} {place.index}")
            if inside is not None:
                raise TargetFull(f"drive {drive} holds {inside.barcode}; have it let go of that, or press its button")
            places.put(place, ElementKind.DRIVE, drive, _LONG_AGO)

    def take(self, drive: int) -> Barcode:
        """Take the volume out of a drive that has no robot, by its button if it was not let go of, and shelve it.

        Returns: its sticker. Raises: NoSuchElement, SourceEmpty (the drive is empty).
        """
        with self._places.change() as places:
            inside = _in_drive(places, drive)
            if inside is None:
                raise SourceEmpty(f"drive {drive} is empty; there is nothing to take")
            places.put(inside, None, 0, _LONG_AGO)
            return Barcode(inside.barcode)

    def protect(self, barcode: Barcode, on: bool = True) -> None:
        """Set the write-protect tab of a volume, or take it back. Raises: NoSuchElement."""
        tab = self._root / "volumes" / _named(self._places.read(), barcode).volume / cartridge.PROTECTED
        if on:
            tab.touch()
        else:
            tab.unlink(missing_ok=True)

    def relabel(self, barcode: Barcode, sticker: Barcode) -> None:
        """Put another sticker on a volume (an empty one cannot be read). What is on the medium stays as it was."""
        with self._places.change() as places:
            _named(places, barcode).barcode = sticker

    def swap(self, drive: int, barcode: Barcode) -> None:
        """Exchange the volume in a drive for one from elsewhere, behind the back of whoever uses the drive.

        Raises: NoSuchElement, SourceEmpty (the drive is empty).
        """
        with self._places.change() as places:
            inside = places.in_drive(drive)
            if inside is None:
                raise SourceEmpty(f"drive {drive} is empty; there is nothing to exchange")
            other = _named(places, barcode)
            places.put(inside, other.kind, other.index, _LONG_AGO)
            places.put(other, ElementKind.DRIVE, drive, _LONG_AGO)

    def damage(self, barcode: Barcode, offset_bytes: int) -> None:
        """Change one bit of what is recorded, for good. Raises: NoSuchElement, ValueError (nothing recorded there)."""
        place = _named(self._places.read(), barcode)
        cartridge.damage(self._root / "volumes" / place.volume, offset_bytes)

    def buy(self, volume: VolumeSpec) -> None:
        """Put a new blank volume on the shelf. Raises: TargetFull when there already is one of that name."""
        with self._places.change() as places:
            if any(volume.barcode in (place.barcode, place.volume) for place in places.volumes):
                raise TargetFull(f"there already is a volume {volume.barcode}")
            make_volume(self._root, volume)
            place = Place(volume=volume.barcode, barcode=volume.barcode)
            places.volumes.append(place)
            places.put(place, None, 0, _LONG_AGO)


def make_volume(root: Path, volume: VolumeSpec) -> None:
    """Make the folder of a blank volume."""
    folder = root / "volumes" / volume.barcode
    if MEDIA[volume.medium].kind is MediumKind.TAPE:
        cartridge.create(folder, volume.medium, volume.size_bytes, 2 * RECORD_BYTES, volume.worm)
    else:
        recorder.create(folder, volume.medium, volume.size_bytes)


def _in_drive(places: Places, drive: int) -> Place | None:
    if not 0 <= drive < len(places.drives):
        raise NoSuchElement(f"there is no drive {drive}; drives run from 0 to {len(places.drives) - 1}")
    return places.in_drive(drive)


def _named(places: Places, barcode: str) -> Place:
    place = places.named(barcode)
    if place is None:
        raise NoSuchElement(f"there is no volume {barcode}, neither in this library nor on its shelf")
    return place
