"""The program that looks into objects: bounded in memory, time and files, fed with open files, answering in JSON lines.

Standard input: {"memory_bytes", "cpu_s", "pictures": [{"name", "fd", "sizes_px": {kind: longest side}}],
"heads": [{"name", "fd"}]}.
Standard output, for each picture as soon as it is made: {"name", "frame", "jpegs": {kind: base64}} or {"name", "why"};
for each head: {"name", "head": what the object says, as JSON text} or {"name", "why"}.
Run as `python -m hsm.rendering.previews` by hsm/cards/maker.py and by nobody else.
"""

import base64
import json
import os
import resource
import sys
from typing import Any

MOST_INPUT = 1_000_000


def confine(memory_bytes: int, cpu_s: int | None) -> None:
    """From now on this process gets no more than that (None: any), and writes no file. Source: setrlimit(2)."""
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        if value is not None:
            resource.setrlimit(limit, (value, value))


def answer(wanted: dict[str, Any]) -> dict[str, Any]:
    """The pictures of one object, or why there are none."""
    from hsm.rendering.picture import LARGE_PX, NoPicture, frame_of, header_of, jpeg, representative, shown

    try:
        with os.fdopen(int(wanted["fd"]), "rb") as stream:
            header = header_of(stream)
            number = representative(header)
            image = shown(frame_of(stream, header, number, LARGE_PX), header, None)
            jpegs = {kind: jpeg(image, int(size)) for kind, size in wanted["sizes_px"].items()}
    except NoPicture as error:
        return {"name": wanted["name"], "why": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever a decoder makes of hostile bytes ends this picture alone
        return {"name": wanted["name"], "why": f"cannot be decoded ({type(error).__name__})"}
    encoded = {kind: base64.b64encode(data).decode() for kind, data in jpegs.items()}
    return {"name": wanted["name"], "frame": number, "jpegs": encoded}


def head(wanted: dict[str, Any]) -> dict[str, Any]:
    """What one object says, long values left out, or why that cannot be told."""
    from hsm.dicom_json import MOST_TEXT_BYTES, metadata, text_of

    try:
        with os.fdopen(int(wanted["fd"]), "rb") as stream:
            said = text_of(metadata(stream))
    except Exception as error:  # noqa: BLE001 - whatever is made of hostile bytes ends this object alone
        return {"name": wanted["name"], "why": f"cannot be read ({type(error).__name__})"}
    if len(said) > MOST_TEXT_BYTES:
        return {"name": wanted["name"], "why": f"says more than {MOST_TEXT_BYTES} bytes"}
    return {"name": wanted["name"], "head": said.decode()}


def main() -> None:
    """Answer one order."""
    order = json.loads(sys.stdin.buffer.read(MOST_INPUT))
    confine(int(order["memory_bytes"]), int(order["cpu_s"]))
    for make, wanted in [(answer, one) for one in order["pictures"]] + [(head, one) for one in order.get("heads", ())]:
        sys.stdout.write(json.dumps(make(wanted)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
