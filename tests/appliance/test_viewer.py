"""The viewer of somebody else: only what was published is unpacked, and it is served with an origin of its own."""

import hashlib
import io
import tarfile
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from wsgiref.util import setup_testing_defaults

import pytest
from typer.testing import CliRunner
from werkzeug.serving import make_server

from appliance.cli import app
from appliance.config import Config
from appliance.viewer import package
from appliance.viewer.package import VERSION, ViewerNotInstalled, install, installed
from appliance.viewer.server import ViewerServer, site
from appliance.viewer.serving import Backend, ViewerSite

FILES = {
    "package/dist/index.html": b"<html><script>first()</script><script src='/a.js'></script></html>",
    "package/dist/app-config.js": b"of somebody else",
    "package/dist/app.bundle.0123456789abcdef.js": b"run()",
    "package/dist/deep/codec.wasm": b"\x00asm",
    "package/package.json": b"{}",
}


def archive(folder: Path, files: dict[str, bytes], *odd: tarfile.TarInfo) -> tuple[Path, str]:
    """A packed archive and what it must be known by."""
    path = folder / "viewer.tgz"
    with tarfile.open(path, "w:gz") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
        for member in odd:
            tar.addfile(member)
    return path, f"sha512-{b64encode(hashlib.sha512(path.read_bytes()).digest()).decode()}"


def odd(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, target
    return member


def test_what_was_published_is_unpacked_and_nothing_else(tmp_path: Path) -> None:
    packed, integrity = archive(tmp_path, FILES)
    folder = tmp_path / "viewer"
    assert installed(folder) is None
    with pytest.raises(ViewerNotInstalled, match="nothing was unpacked"):
        install(folder, packed)
    assert installed(folder) is None and not list(folder.iterdir())
    for _ in range(2):
        made = install(folder, packed, integrity)
    assert made == installed(folder) == folder / VERSION
    assert sorted(path.name for path in folder.iterdir()) == [VERSION], "nothing is left lying about"
    assert (made / "deep/codec.wasm").read_bytes() == b"\x00asm" and not (made / "package.json").exists()
    with pytest.raises(ViewerNotInstalled, match="cannot be read"):
        install(folder, tmp_path / "nothing.tgz")


@pytest.mark.parametrize(
    "member",
    [
        odd("package/dist/../../../x"),
        odd("/etc/x"),
        odd("package/dist/l", tarfile.SYMTYPE, "/etc/passwd"),
        odd("package/dist/h", tarfile.LNKTYPE, "package/dist/index.html"),
        odd("package/dist/p", tarfile.FIFOTYPE),
        odd("package/dist/index.html"),
    ],
)
def test_an_archive_with_anything_odd_in_it_is_refused(tmp_path: Path, member: tarfile.TarInfo) -> None:
    packed, integrity = archive(tmp_path, FILES, member)
    with pytest.raises(ViewerNotInstalled):
        install(tmp_path / "viewer", packed, integrity)
    assert installed(tmp_path / "viewer") is None


def test_too_much_or_no_first_page_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    packed, integrity = archive(tmp_path, {"package/dist/a.js": b"x"})
    with pytest.raises(ViewerNotInstalled, match=r"no index\.html"):
        install(tmp_path / "viewer", packed, integrity)
    monkeypatch.setattr(package, "MOST_FILES", 2)
    packed, integrity = archive(tmp_path, FILES)
    with pytest.raises(ViewerNotInstalled, match="more than a viewer"):
        install(tmp_path / "viewer", packed, integrity)
    (tmp_path / "cut.tgz").write_bytes(packed.read_bytes()[:100])
    cut = b64encode(hashlib.sha512((tmp_path / "cut.tgz").read_bytes()).digest()).decode()
    with pytest.raises(ViewerNotInstalled, match="cannot be unpacked"):
        install(tmp_path / "viewer", tmp_path / "cut.tgz", f"sha512-{cut}")


def test_without_npm_one_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ViewerNotInstalled, match="apt install npm"):
        install(tmp_path / "viewer")
    program = tmp_path / "npm"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(ViewerNotInstalled, match="could not fetch"):
        install(tmp_path / "viewer")
    program.write_text("#!/bin/sh\nexit 0\n")
    with pytest.raises(ViewerNotInstalled, match="0 archives"):
        install(tmp_path / "viewer")


# -- serving ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def behind() -> Iterator[tuple[int, list[dict[str, str]]]]:
    """Pages that note what they are asked, and where they answer."""
    asked: list[dict[str, str]] = []

    def answer(environ: dict[str, Any], start: Any) -> list[bytes]:
        asked.append(
            {name: str(environ.get(name, "")) for name in ("PATH_INFO", "QUERY_STRING", "HTTP_COOKIE", "HTTP_HOST")}
        )
        start("206 Partial Content", [("Content-Type", "text/x"), ("Set-Cookie", "a=b"), ("Retry-After", "9")])
        return [b"one ", b"two"]

    server = make_server("127.0.0.1", 0, answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port, asked
    server.shutdown()
    thread.join()
    server.server_close()


def ask(app: ViewerSite, path: str, method: str = "GET", **more: str) -> tuple[str, dict[str, str], bytes]:
    environ: dict[str, Any] = {"PATH_INFO": path, "REQUEST_METHOD": method, **more}
    setup_testing_defaults(environ)
    heard: list[Any] = []
    body = app(environ, lambda status, headers: heard.extend((status, dict(headers))))
    return heard[0], heard[1], b"".join(body)


def test_files_questions_and_nothing_else_are_answered(
    tmp_path: Path, behind: tuple[int, list[dict[str, str]]]
) -> None:
    folder = install(tmp_path / "viewer", *archive(tmp_path, FILES))
    port, asked = behind
    site_ = ViewerSite(folder, Backend("127.0.0.1", port))
    status, headers, body = ask(site_, "/viewer")
    assert status == "200 OK" and body == FILES["package/dist/index.html"], "its own addresses lead to its first page"
    first = b64encode(hashlib.sha256(b"first()").digest()).decode()
    assert f"'sha256-{first}'" in headers["Content-Security-Policy"]
    assert "default-src 'none'" in headers["Content-Security-Policy"] and headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in ask(site_, "/app.bundle.0123456789abcdef.js")[1]["Cache-Control"]
    assert ask(site_, "/deep/codec.wasm")[1]["Content-Type"] == "application/wasm"
    assert b"dicom-web" in ask(site_, "/app-config.js")[2], "it is told of this archive"
    assert ask(site_, "/index.html", "HEAD")[2] == b""
    for path in ("/../package.json", "/nothing.js", "/deep/../../x.js"):
        assert ask(site_, path)[0] == "404 Not Found"
    assert ask(site_, "/dicom-web/studies", "POST")[0] == "405 Method Not Allowed"
    question = {"QUERY_STRING": "limit=1", "HTTP_COOKIE": "firn_session=x", "HTTP_HOST": "house:8090"}
    status, headers, body = ask(site_, "/dicom-web/studies", **question)
    assert (status, body) == ("206 PARTIAL CONTENT", b"one two") or status.startswith("206")
    assert "Set-Cookie" not in headers and headers["Retry-After"] == "9"
    assert asked == [{"PATH_INFO": "/dicom-web/studies", **question}]
    nobody = ViewerSite(folder, Backend("127.0.0.1", 1))
    assert ask(nobody, "/dicom-web/studies")[0] == "502 Bad Gateway"


def test_the_command_and_the_server_say_when_it_is_not_there(tmp_path: Path) -> None:
    config = tmp_path / "firn.toml"
    config.write_text(f'[archive]\ndata_dir = "{tmp_path}"\n')
    answer = CliRunner().invoke(app, ["--config", str(config), "viewer", "serve"])
    assert answer.exit_code == 4 or "firn viewer install" in str(answer.exception)
    packed, integrity = archive(tmp_path, FILES)
    answer = CliRunner().invoke(app, ["--config", str(config), "viewer", "install", "--from", str(packed)])
    assert answer.exit_code != 0
    settings = Config.model_validate({"archive": {"data_dir": tmp_path}})
    with pytest.raises(ViewerNotInstalled, match="firn viewer install"):
        site(settings)
    install(tmp_path / "viewer", packed, integrity)
    assert ask(site(settings), "/")[0] == "200 OK"
    assert ViewerServer(settings).cfg.bind == ["127.0.0.1:8090"]
