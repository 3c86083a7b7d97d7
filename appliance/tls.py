"""TLS as the configuration wants it: contexts for both sides of a connection, and how long certificates still hold.

Source: PS3.15 sections B.10 and B.12; RFC 9325 section 4.2.
"""

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from appliance.config import Config

# The finite-field group of RFC 7919 for callers that have no elliptic curves.
DH_GROUP_FILE = Path(__file__).with_name("ffdhe2048.pem")
_FORWARD = "ECDHE+AESGCM:ECDHE+CHACHA20"
CIPHERS = {"rfc9325": _FORWARD, "non_downgrading": f"{_FORWARD}:DHE+AESGCM:!aNULL:!aDSS"}
_CLIENTS = {"none": ssl.CERT_NONE, "optional": ssl.CERT_OPTIONAL, "required": ssl.CERT_REQUIRED}
_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0
NOWHERE = Path()


class TlsUnusable(Exception):
    """A certificate, a key or a list of authorities cannot be used; the message says which and why."""


def server_context(config: Config) -> ssl.SSLContext | None:
    """What callers of the DICOM node meet; None when nothing is accepted over TLS. Raises: TlsUnusable."""
    tls = config.tls
    if not tls.port:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _narrow(context, tls.profile)
    context.load_dh_params(str(DH_GROUP_FILE))
    show(context, config.resolve(tls.certificate_file), config.resolve(tls.key_file))
    context.verify_mode = _CLIENTS[tls.client_certificates]
    if tls.authorities_file != NOWHERE:
        _believe(context, config.resolve(tls.authorities_file))
    return context


def client_context(config: Config) -> ssl.SSLContext:
    """What is used to call peers that want TLS. Raises: TlsUnusable."""
    tls = config.tls
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    _narrow(context, tls.profile)
    context.check_hostname = tls.check_names
    if tls.authorities_file == NOWHERE:
        context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    else:
        _believe(context, config.resolve(tls.authorities_file))
    if tls.certificate_file != NOWHERE:
        show(context, config.resolve(tls.certificate_file), config.resolve(tls.key_file))
    return context


def _narrow(context: ssl.SSLContext, profile: str) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS[profile])
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE


def show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    """Have a context present this certificate. Raises: TlsUnusable."""
    try:
        context.load_cert_chain(certificate, key, password="")  # a key with a password fails instead of asking
    except OSError as error:
        raise TlsUnusable(f"certificate {certificate} and key {key} cannot be used: {_why(error)}") from None


def _believe(context: ssl.SSLContext, authorities: Path) -> None:
    try:
        context.load_verify_locations(authorities)
    except OSError as error:
        raise TlsUnusable(f"authorities {authorities} cannot be used: {_why(error)}") from None


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return error.strerror or str(error)


# -- how long a certificate holds ------------------------------------------------------------------------------------


def certificates(config: Config) -> dict[str, Path]:
    """The certificates that this archive shows, by the key of the configuration that names them."""
    named = {"tls.certificate_file": config.tls.certificate_file, "web.certificate_file": config.web.certificate_file}
    return {key: config.resolve(path) for key, path in named.items() if path != NOWHERE}


def ends_at(certificate: Path) -> datetime:
    """When the first certificate of a PEM file runs out. Raises: TlsUnusable. Source: RFC 5280 section 4.1."""
    try:
        text = certificate.read_text("ascii")
        begin, end = text.index("-----BEGIN CERTIFICATE"), text.index("-----END CERTIFICATE-----")
        return _not_after(ssl.PEM_cert_to_DER_cert(text[begin : end + 25] + "\n"))
    except (OSError, ValueError, IndexError, StopIteration) as error:
        raise TlsUnusable(f"{certificate} holds no certificate that can be read: {error}") from None


def _not_after(der: bytes) -> datetime:
    (certificate,) = (body for tag, body in _elements(der) if tag == _SEQUENCE)
    to_be_signed = next(body for tag, body in _elements(certificate) if tag == _SEQUENCE)
    fields = [(tag, body) for tag, body in _elements(to_be_signed) if tag != _VERSION]
    tag, text = list(_elements(fields[3][1]))[1]  # serial number, signature, issuer, validity: not before, not after
    if tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise ValueError(f"element {tag:#04x} is no time")
    digits = text.decode("ascii")
    if tag == _UTC_TIME:
        digits = ("20" if digits[:2] < "50" else "19") + digits
    return datetime.strptime(digits, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The elements that follow each other in DER. Source: X.690 section 8.1."""
    at = 0
    while at < len(data):
        tag, length = data[at], data[at + 1]
        at += 2
        if length & 0x80:
            count = length & 0x7F
            length = int.from_bytes(data[at : at + count], "big")
            at += count
        if at + length > len(data):
            raise ValueError("it is cut")
        yield tag, data[at : at + length]
        at += length
