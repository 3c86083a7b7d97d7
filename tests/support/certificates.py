"""A certificate for localhost, made with openssl, and the two sides of a connection that uses it."""

import ssl
import subprocess
from pathlib import Path


def server_and_client(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server presents, and what a client trusts."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    argv += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    argv += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return server, ssl.create_default_context(cafile=str(certificate))


class Authority:
    """Somebody who vouches for others, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self.certificate, self._key = folder / "authority.pem", folder / "authority-key.pem"
        _openssl("req", "-x509", *_NEW_KEY, "-subj", "/CN=authority", "-days", "2", "-keyout", self._key, "-out",
                 self.certificate)  # fmt: skip

    def issue(self, name: str, days: int = 2) -> tuple[Path, Path]:
        """A certificate for localhost under that common name, and its key."""
        certificate, key, request = (self._folder / f"{name}{end}" for end in (".pem", "-key.pem", ".csr"))
        names = self._folder / "names.ext"
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        _openssl("req", "-new", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self._key, "-CAcreateserial",
                 "-days", days, "-extfile", names, "-out", certificate)  # fmt: skip
        return certificate, key


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)
