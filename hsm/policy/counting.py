"""Which copies of a study count as proof before it may leave the disk, and why the others do not."""

from hsm.facts import CopyRecord, PackFacts, StudyFacts
from hsm.policy.need import is_proof, proofs
from hsm.policy.words import count_words, list_words
from hsm.states import CopyState, Place, VolumeState

_NOT_YET = {
    CopyState.PLANNED: "it is not written yet",
    CopyState.WRITING: "it is being written",
    CopyState.WRITTEN: "it was not read back yet",
    CopyState.SUSPECT: "it could not be read back",
    CopyState.LOST: "it is lost",
}


def counting_words(study: StudyFacts) -> list[str]:
    """Sentences, pack by pack. Empty for a study that has no pack yet."""
    sentences: list[str] = []
    for number, pack in enumerate(study.packs, 1):
        of = "" if len(study.packs) == 1 else f" of pack {number}"
        sentences.append(_counts(pack, of))
        sentences += [
            f"The copy{of} on {copy.barcode or 'a volume yet to be chosen'} does not count: {_why_not(copy)}."
            for copy in pack.copies
            if not is_proof(copy)
        ]
    return sentences


def _counts(pack: PackFacts, of: str) -> str:
    volumes = sorted(proofs(pack))
    if not volumes:
        return f"No copy{of} counts before a release yet."
    verb = "counts" if len(volumes) == 1 else "count"
    copies = count_words(len(volumes), f"copy{of}", f"copies{of}")
    return f"{copies} {verb} before a release: on {list_words(volumes)}, read back whole."


def _why_not(copy: CopyRecord) -> str:
    if copy.state in _NOT_YET:
        return _NOT_YET[copy.state]
    if copy.volume_state is not None and copy.volume_state in (VolumeState.SUSPECT, VolumeState.LOST):
        return f"its volume is {copy.volume_state.value}"
    if copy.volume_place is Place.MISSING:
        return "nobody knows where its volume is"
    return "its volume cannot be relied on"
