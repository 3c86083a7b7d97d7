"""The next barcodes that a pool's pattern allows."""

import re
from collections.abc import Iterable

from appliance.labels.errors import LabelRefused
from drivers.base import Barcode

# Letters, one run of question marks that stands for a number, letters: "A?????L8".
_PATTERN = re.compile(r"(?P<before>[^*?\[\]]*)(?P<number>\?+)(?P<behind>[^*?\[\]]*)")


def next_barcodes(patterns: Iterable[str], known: Iterable[str], count: int, after: str | None = None) -> list[Barcode]:
    """The next barcodes of the first pattern that says how they are numbered, behind the highest one that is known.

    `after`: behind this one instead, when it is higher.

    Raises: LabelRefused.
    """
    listed = list(patterns)
    match = next((m for m in map(_PATTERN.fullmatch, listed) if m is not None), None)
    if match is None:
        raise LabelRefused(
            f"{' or '.join(listed) or 'no pattern'} does not say how barcodes are numbered; question marks do: A?????L8"
        )
    before, width, behind = match["before"], len(match["number"]), match["behind"]
    numbered = re.compile(re.escape(before) + rf"(\d{{{width}}})" + re.escape(behind))
    if after is not None and numbered.fullmatch(after) is None:
        raise LabelRefused(f"{after} is not numbered as {match[0]}")
    used = [int(m[1]) for m in map(numbered.fullmatch, [*known, *([after] if after else [])]) if m is not None]
    first = max(used, default=0) + 1
    last = first + count - 1
    if last >= 10**width:
        raise LabelRefused(f"{match[0]} ends before {last}: give the pool another pattern")
    return [Barcode(f"{before}{number:0{width}d}{behind}") for number in range(first, last + 1)]
