"""Which buttons of a volume's page are on, and why the others are off. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from hsm.facts import VolumePool, VolumeRecord
from hsm.media.labelling import possible_pools, why_not_labelled, why_not_now
from hsm.states import VOLUME_TABLE, Place, VolumeState


@dataclass(frozen=True)
class Buttons:
    """Why each button is off, in a sentence; "" where it is on."""

    label: str
    pools: tuple[str, ...]  # for which it could be labelled, the likeliest first
    scan: str
    verify: str
    export: str
    unload: str
    bring_back: str
    place: str
    close: str
    doubt: str
    clear: str
    lose: str
    retire: str
    repack: str
    erase: str


def buttons(volume: VolumeRecord, pools: Mapping[str, VolumePool], packs: int, off: str) -> Buttons:
    """For one volume; `packs`: how many lie on it, `off`: why all are off."""
    here = volume.place is Place.LIBRARY
    possible = tuple(possible_pools(pools, volume))
    label = why_not_labelled(volume) or why_not_now(volume) or ("" if possible else "no pool of its library takes it")
    outside = "" if here else "it is in no library"
    leaving = "it lies in a mail slot, on its way out" if volume.leaving else ""
    gone = "it is gone" if volume.state is VolumeState.LOST else ""
    return Buttons(
        label=_off(off, label),
        pools=possible,
        scan=_off(off, outside or gone),
        verify=_off(off, "" if packs else "nothing is on it"),
        export=_off(off, outside or leaving),
        unload=_off(off, outside),
        bring_back=_off(off, "it is in a library" if here else gone),
        place=_off(off, ""),
        close=_off(off, _state(volume, "close")),
        doubt=_off(off, _state(volume, "doubt")),
        clear=_off(off, _state(volume, "clear") or ("" if volume.uuid else "it carries no label of ours")),
        lose=_off(off, _state(volume, "lose") and _state(volume, "doubt")),
        retire=_off(off, _state(volume, "retire")),
        repack=_off(off, _state(volume, "repack")),
        erase=_off(off, _state(volume, "erase")),
    )


def _state(volume: VolumeRecord, event: str) -> str:
    words = volume.state.value.replace("_", " ")
    return "" if (volume.state, event) in VOLUME_TABLE else f"it is {words}"


def _off(off: str, why: str) -> str:
    return off or (f"{why[0].upper()}{why[1:]}." if why else "")
