"""The program that draws for the pages: bounded in memory and files, fed with open files, one wish after the other.

It reads from the socket it was started with: four bytes of length, then a wish as JSON, and with it an open file. It
answers four bytes of length, a JSON object, and as many bytes of picture as that says in `size_bytes`. It ends when the
other side does. Run as `python -m hsm.rendering.program FD` by hsm/rendering/renderers.py and by nobody else.
"""

import json
import os
import socket
import sys
from typing import Any

from hsm.rendering.previews import confine

MOST_WISH_BYTES = 4096


def answer(fd: int, wish: dict[str, Any]) -> tuple[bytes, dict[str, Any]]:
    """The picture of an open file, which is closed, or why there is none."""
    from hsm.rendering.draw import draw
    from hsm.rendering.picture import NoPicture, NoSuchPicture
    from hsm.rendering.wish import from_json

    try:
        with os.fdopen(fd, "rb") as stream:
            return draw(stream, from_json(wish))
    except NoSuchPicture as error:
        return b"", {"why": str(error), "missing": True}
    except NoPicture as error:
        return b"", {"why": str(error)}
    except Exception as error:  # noqa: BLE001 - whatever a decoder makes of hostile bytes ends this picture alone
        return b"", {"why": f"cannot be decoded ({type(error).__name__})"}


def main() -> None:
    """Answer until nobody asks."""

    with socket.socket(fileno=int(sys.argv[1])) as asked:
        confine(int(sys.argv[2]), None)
        while True:
            data, fds, _, _ = socket.recv_fds(asked, MOST_WISH_BYTES, 1)
            if not data:
                return
            size = int.from_bytes(data[:4], "big")
            while len(data) < size + 4:
                data += asked.recv(size + 4 - len(data))
            picture, about = answer(fds[0], json.loads(data[4:]))
            said = json.dumps({**about, "size_bytes": len(picture)}).encode()
            asked.sendall(len(said).to_bytes(4, "big") + said + picture)


if __name__ == "__main__":
    main()
