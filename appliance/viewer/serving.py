"""Serves the viewer's files, and hands what it asks of DICOMweb on to the pages of this archive: one origin, no CORS.

The viewer is a large program of others. It gets an origin of its own (another port), so that it cannot reach the pages;
a content security policy that lets it load nothing from elsewhere; and of DICOMweb what reads, never what writes.
"""

import hashlib
import http.client
import json
import mimetypes
import re
import ssl
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import structlog

from appliance.viewer.package import INDEX

Answer = tuple[str, list[tuple[str, str]], Iterable[bytes]]
StartResponse = Callable[[str, list[tuple[str, str]]], Any]
BEHIND = "/dicom-web/"
APP_CONFIG = "/app-config.js"
PIECE_BYTES = 1 << 18
ANSWER_LIMIT_S = 120.0
_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_HASHED = re.compile(r"\.[0-9a-f]{16}\.")  # a name that changes with its content
_HANDED_ON = ("Accept", "Authorization", "Cookie", "If-None-Match", "User-Agent")
_HANDED_BACK = frozenset(
    {"content-type", "content-length", "etag", "retry-after", "warning", "vary", "content-encoding"}
)
_KINDS = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".wasm": "application/wasm",
    ".jsonc": "application/json",
}

log = structlog.get_logger()


@dataclass(frozen=True)
class Backend:
    """Where the pages of this archive answer, as seen from this machine."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


def policy(index: bytes) -> str:
    """What the viewer may load and run: its own files, and the few scripts that stand in its first page as it came."""
    digests = (b64encode(hashlib.sha256(found).digest()).decode() for found in _INLINE.findall(index))
    inline = " ".join(f"'sha256-{digest}'" for digest in digests)
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src 'self' 'wasm-unsafe-eval' {inline}",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            "media-src 'self' blob:",
            "connect-src 'self' data: blob:",
            "worker-src 'self' blob:",
            "manifest-src 'self'",
            "base-uri 'self'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )


def configuration() -> bytes:
    """What the viewer is told of this archive."""
    source = {
        "friendlyName": "Firn",
        "name": "firn",
        "qidoSupportsIncludeField": True,
        "imageRendering": "wadors",
        "thumbnailRendering": "wadors",
        "enableStudyLazyLoad": True,
        "supportsFuzzyMatching": False,
        "supportsWildcard": True,
        "supportsReject": False,
        "dicomUploadEnabled": False,
        "bulkDataURI": {"enabled": True, "relativeResolution": "studies"},
    }
    said = {
        "routerBasename": "/",
        "extensions": [],
        "modes": [],
        "showStudyList": True,
        "maxNumberOfWebWorkers": 2,
        "showWarningMessageForCrossOrigin": False,
        "showCPUFallbackMessage": True,
        "strictZSpacingForVolumeViewport": True,
        "showErrorDetails": "always",
        "investigationalUseDialog": {"option": "always"},
        "maxNumRequests": {"interaction": 20, "thumbnail": 4, "prefetch": 8},
        "defaultDataSourceName": "firn",
        "dataSources": [
            {
                "namespace": "@ohif/extension-default.dataSourcesModule.dicomweb",
                "sourceName": "firn",
                "configuration": source,
            }
        ],
    }
    return (
        f"window.config = {json.dumps(said)};\n"
        "for (const root of ['wadoUriRoot', 'qidoRoot', 'wadoRoot'])\n"
        "  window.config.dataSources[0].configuration[root] =\n"
        "    location.origin + '/dicom-web' + (root === 'wadoUriRoot' ? '/wado' : '');\n"
    ).encode()


class ViewerSite:
    """The WSGI application."""

    def __init__(self, folder: Path, backend: Backend) -> None:
        """`folder`: of the unpacked viewer; what lies there now is served, and nothing else."""
        self._backend = backend
        self._files = {
            "/" + path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()
        }
        self._index = folder / INDEX
        self._config = configuration()
        self._headers = [
            ("Content-Security-Policy", policy(self._index.read_bytes())),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "same-origin"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ]

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        status, headers, body = self._answer(environ)
        start_response(status, [*headers, *self._headers])
        return body

    def _answer(self, environ: Mapping[str, Any]) -> Answer:
        path, method = str(environ.get("PATH_INFO", "/")), str(environ["REQUEST_METHOD"])
        if method not in ("GET", "HEAD"):
            return _words("405 Method Not Allowed", "This viewer only reads.")
        if path.startswith(BEHIND):
            return self._handed_on(path, method, environ)
        if path == APP_CONFIG:
            return "200 OK", [("Content-Type", "text/javascript"), ("Cache-Control", "no-cache")], [self._config]
        found = self._files.get(path)
        if found is None and "." in path.rsplit("/", 1)[-1]:
            return _words("404 Not Found", "The viewer has no such file.")
        return _file(found or self._index, method)

    def _handed_on(self, path: str, method: str, environ: Mapping[str, Any]) -> Answer:
        """What DICOMweb answers to the same question of the same person."""
        headers = {name: value for name in _HANDED_ON if (value := environ.get(_variable(name)))}
        headers["Host"] = str(environ.get("HTTP_HOST", ""))  # so that addresses in answers lead here, too
        headers["X-Forwarded-For"] = str(environ.get("REMOTE_ADDR", ""))
        query = str(environ.get("QUERY_STRING", ""))
        target = quote(path, safe="/,:;=@&+$!*'()~") + (f"?{query}" if query else "")
        connection = self._connection()
        try:
            connection.request(method, target, headers=headers)
            answer = connection.getresponse()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            log.warning("pages_not_answering", error=type(error).__name__)
            return _words("502 Bad Gateway", "The pages of the archive do not answer at the moment.")
        kept = [(name, value) for name, value in answer.getheaders() if name.lower() in _HANDED_BACK]
        headers_back = [*kept, ("Cache-Control", "private, no-store")]
        return f"{answer.status} {answer.reason}", headers_back, _pieces(connection, answer)

    def _connection(self) -> http.client.HTTPConnection:
        backend = self._backend
        if backend.tls is None:
            return http.client.HTTPConnection(backend.host, backend.port, timeout=ANSWER_LIMIT_S)
        return http.client.HTTPSConnection(backend.host, backend.port, timeout=ANSWER_LIMIT_S, context=backend.tls)


def _variable(name: str) -> str:
    return f"HTTP_{name.upper().replace('-', '_')}"


def _pieces(connection: http.client.HTTPConnection, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    try:
        while piece := answer.read(PIECE_BYTES):
            yield piece
    finally:
        connection.close()


def _file(path: Path, method: str) -> Answer:
    kind = _KINDS.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    keep = "public, max-age=31536000, immutable" if _HASHED.search(path.name) else "no-cache"
    headers = [("Content-Type", kind), ("Content-Length", str(path.stat().st_size)), ("Cache-Control", keep)]
    return "200 OK", headers, [] if method == "HEAD" else _read(path)


def _read(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(PIECE_BYTES):
            yield piece


def _words(status: str, words: str) -> Answer:
    return status, [("Content-Type", "text/plain; charset=utf-8")], [words.encode()]
