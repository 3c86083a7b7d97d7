"""The program that looks at pixels: bounded in memory, time and files, fed with open files, answering in JSON lines.

Standard input: {"memory_bytes", "cpu_s", "pictures": [{"name", "fd", "sizes_px": {kind: longest side}}]}.
Standard output, for each picture as soon as it is made: {"name", "jpegs": {kind: base64}} or {"name", "why"}.
Run as `python -m hsm.cards.render` by hsm/cards/maker.py and by nobody else.
"""

import base64
import json
import os
import resource
import sys
from typing import Any

MOST_INPUT = 1_000_000


def confine(memory_bytes: int, cpu_s: int) -> None:
    """From now on this process gets no more than that, and writes no file. Source: setrlimit(2)."""
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (value, value))


def answer(wanted: dict[str, Any]) -> dict[str, Any]:
    """The pictures of one object, or why there are none."""
    from hsm.cards.picture import NoPicture, jpeg, picture

    try:
        with os.fdopen(int(wanted["fd"]), "rb") as stream:
            image = picture(stream)
            jpegs = {kind: jpeg(image, int(size)) for kind, size in wanted["sizes_px"].items()}
    except NoPicture as error:
        return {"name": wanted["name"], "why": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever a decoder makes of hostile bytes ends this picture alone
        return {"name": wanted["name"], "why": f"cannot be decoded ({type(error).__name__})"}
    return {"name": wanted["name"], "jpegs": {kind: base64.b64encode(data).decode() for kind, data in jpegs.items()}}


def main() -> None:
    """Answer one order."""
    order = json.loads(sys.stdin.buffer.read(MOST_INPUT))
    confine(int(order["memory_bytes"]), int(order["cpu_s"]))
    for wanted in order["pictures"]:
        sys.stdout.write(json.dumps(answer(wanted)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
