"""Is a move possible, and did it happen? Decided from the inventory before and after. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from drivers.base import Barcode, Element, ElementKind, Inventory
from drivers.errors import NoSuchElement, SourceEmpty, TargetFull


class Verdict(StrEnum):
    """What became of a move."""

    DONE = "done"  # the volume is where it was to go, and no longer where it was
    UNMOVED = "unmoved"  # nothing changed
    ASTRAY = "astray"  # neither: it is in the gripper, elsewhere, or another volume is in its place


@dataclass(frozen=True)
class Spot:
    """A place of the library, by its number."""

    drive: bool
    index: int

    def __str__(self) -> str:
        return f"{'drive' if self.drive else 'slot'} {self.index}"

    def element(self, inventory: Inventory) -> Element | None:
        """The element of that number."""
        if self.drive:
            return inventory.drive(self.index)
        return next((element for element in inventory.storage() if element.index == self.index), None)


@dataclass(frozen=True)
class Move:
    """A volume on its way."""

    source: Spot
    target: Spot
    barcode: Barcode | None  # None when its label cannot be read

    def __str__(self) -> str:
        return f"{self.barcode or 'the volume without a readable barcode'} from {self.source} to {self.target}"


def plan(inventory: Inventory, source: Spot, target: Spot) -> Move:
    """The move, if the inventory allows it.

    Raises: NoSuchElement, SourceEmpty, TargetFull.
    """
    elements = []
    for spot in (source, target):
        element = spot.element(inventory)
        if element is None:
            raise NoSuchElement(f"library {inventory.library} has no {spot}; see `firn library show`")
        elements.append(element)
    taken, filled = elements
    if not taken.full:
        raise SourceEmpty(f"{source} of library {inventory.library} is empty")
    if filled.full:
        raise TargetFull(
            f"{target} of library {inventory.library} is occupied by {filled.barcode or 'a volume without a barcode'}"
        )
    return Move(source, target, taken.barcode)


def verdict(move: Move, after: Inventory) -> Verdict:
    """What the inventory after a move says about it. A label that cannot be read in either place raises no doubt."""
    source, target = move.source.element(after), move.target.element(after)
    if source is None or target is None:
        return Verdict.ASTRAY
    if target.full and not source.full and _same(move.barcode, target.barcode):
        return Verdict.DONE
    if source.full and not target.full and _same(move.barcode, source.barcode):
        return Verdict.UNMOVED
    return Verdict.ASTRAY


def whereabouts(move: Move, after: Inventory) -> str:
    """Where a volume that went astray is, in words."""
    found = [e for e in after.elements if e.full and e.barcode is not None and e.barcode == move.barcode]
    places = " and ".join(f"{'drive' if e.kind is ElementKind.DRIVE else 'slot'} {e.index}" for e in found)
    return f"the robot sees it in {places}" if places else "the robot sees it nowhere: look for it in the gripper"


def _same(one: Barcode | None, other: Barcode | None) -> bool:
    return one is None or other is None or one == other
