"""What a robot does with volumes that nobody uses: bring them to a slot, out, in. May be repeated after a crash."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from drivers.base import Barcode, Element, ElementKind, Inventory
from hsm.library.errors import ErrandRefused, VolumeNotInLibrary
from hsm.library.library import Library


@dataclass(frozen=True)
class TakenIn:
    """What came in through the mail slots."""

    barcodes: tuple[Barcode, ...]  # in slots now
    left: tuple[str, ...]  # what stays in its mail slot and why, in sentences


def to_slot(library: Library, barcode: Barcode, slot: int | None) -> int:
    """Bring a volume to a slot; None: out of its drive, to the slot it came from or a free one. Nothing to do when it
    is there.

    Returns: the slot it is in.
    Raises: VolumeNotInLibrary, ErrandRefused (no robot, no such slot, or it is taken), DriverError.
    """
    _need_robot(library)
    with library.turn() as inventory:
        place = _found(library, inventory, barcode)
        if place.kind is not ElementKind.DRIVE and slot in (None, place.index):
            return place.index
        slot = _home(library, inventory, place) if slot is None else slot
        target = next((e for e in inventory.storage() if e.index == slot), None)
        if target is None:
            numbers = [e.index for e in inventory.storage()]
            raise ErrandRefused(f"library {library.name} has slots {min(numbers)} to {max(numbers)}, not {slot}")
        if target.full:
            raise ErrandRefused(f"slot {slot} of library {library.name} holds {target.barcode or 'something'}")
        library.carry(place, slot)
        return slot


def bring_out(library: Library, barcode: Barcode) -> int | None:
    """Bring a volume to a mail slot, where a person can take it. Nothing to do when it is in one.

    Returns: the mail slot; None where there is no robot: the drive has let go of it.
    Raises: VolumeNotInLibrary, ErrandRefused (no free mail slot), DriverError.
    """
    with library.turn() as inventory:
        place = _found(library, inventory, barcode)
        if library.by_hand:
            library.device(place.index).unload()
            return None
        if place.kind is ElementKind.MAIL_SLOT:
            return place.index
        mail = [e for e in inventory.storage() if e.kind is ElementKind.MAIL_SLOT]
        free = [e.index for e in mail if not e.full]
        if not free:
            advice = "take out what lies there" if mail else "it has none: open it, take the volume out, set-location"
            raise ErrandRefused(f"no mail slot of library {library.name} is free for {barcode}; {advice}")
        library.carry(place, free[0])
        return free[0]


def take_in(library: Library, wanted: Collection[Barcode], leaving: Collection[Barcode]) -> TakenIn:
    """Bring what lies in the mail slots into slots.

    `wanted`: only these; empty: all but those in `leaving`, which lie there for a person to take.

    Raises: DriverError; what was moved until then is in its slot.
    """
    _need_robot(library)
    with library.turn() as inventory:
        here = [e for e in inventory.storage() if e.kind is ElementKind.MAIL_SLOT and e.full]
        chosen = [e for e in here if (e.barcode in wanted if wanted else e.barcode not in leaving)]
        slots = [e.index for e in inventory.storage() if e.kind is ElementKind.SLOT and not e.full]
        barcodes: list[Barcode] = []
        left = _not_there(wanted, here)
        for element in chosen:
            if element.barcode is None:
                left.append(f"what lies in mail slot {element.index} has no readable barcode")
            elif not slots:
                left.append(f"{element.barcode} stays in mail slot {element.index}: no slot is free")
            else:
                library.carry(element, slots.pop(0))
                barcodes.append(element.barcode)
        return TakenIn(tuple(barcodes), tuple(left))


def _not_there(wanted: Collection[Barcode], here: Sequence[Element]) -> list[str]:
    lying = {element.barcode for element in here}
    return [f"{barcode} is in no mail slot" for barcode in wanted if barcode not in lying]


def _home(library: Library, inventory: Inventory, place: Element) -> int:
    taken = {element.index for element in inventory.storage() if element.full}
    slot = place.origin if place.origin is not None and place.origin not in taken else inventory.empty_slot()
    if slot is None:
        raise ErrandRefused(f"no slot of library {library.name} is free for {place.barcode}: take a volume out")
    return slot


def _found(library: Library, inventory: Inventory, barcode: Barcode) -> Element:
    place = inventory.find(barcode)
    if place is None:
        raise VolumeNotInLibrary(f"{barcode} is not in library {library.name}; `firn volumes show` says where it is")
    return place


def _need_robot(library: Library) -> None:
    if library.by_hand:
        raise ErrandRefused(f"library {library.name} has no robot: put volumes into its drives by hand")
