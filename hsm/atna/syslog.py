"""Audit messages as syslog messages, over UDP, TCP or TLS.

Source: RFC 5424 (format), RFC 5425 (TLS), RFC 5426 (UDP), RFC 6587 section 3.4.1 (octet counting); PS3.15 A.6, A.7.
"""

import os
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

PRIORITY = 10 * 8 + 5  # facility security/authorization, severity notice: IHE ITI-20
MESSAGE_ID = "DICOM+RFC3881"
LIMIT_S = 20.0
MOST_UDP_BYTES = 65_000
_BOM = b"\xef\xbb\xbf"


class SyslogUnreachable(Exception):
    """The server did not take the messages; they will be sent again."""


@dataclass(frozen=True)
class SyslogSettings:
    """Where audit messages go."""

    host: str
    port: int
    transport: Literal["tls", "tcp", "udp"] = "tls"
    authorities: Path | None = None  # None: those of the system
    certificate: Path | None = None  # ours, where the server wants one
    key: Path | None = None


def framed(content: bytes, at: datetime, host: str) -> bytes:
    """One syslog message. Source: RFC 5424 section 6."""
    name = "".join(character for character in host if "!" <= character <= "~")[:255] or "-"
    stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"<{PRIORITY}>1 {stamp} {name} firn {os.getpid()} {MESSAGE_ID} - ".encode("ascii") + _BOM + content


def send(settings: SyslogSettings, messages: Sequence[bytes]) -> None:
    """Hand messages over. Over TCP and TLS this returns when the server has read them all and closed.

    Raises: SyslogUnreachable; some may have arrived.
    """
    try:
        if settings.transport == "udp":
            _datagrams(settings, messages)
        else:
            _stream(settings, messages)
    except OSError as error:
        raise SyslogUnreachable(f"syslog server {settings.host}:{settings.port}: {error}") from None


def _datagrams(settings: SyslogSettings, messages: Sequence[bytes]) -> None:
    family, kind, protocol, _, address = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_DGRAM)[0]
    with socket.socket(family, kind, protocol) as sock:
        for message in messages:
            sock.sendto(message[:MOST_UDP_BYTES], address)


def _stream(settings: SyslogSettings, messages: Sequence[bytes]) -> None:
    with socket.create_connection((settings.host, settings.port), timeout=LIMIT_S) as plain:
        sock = _secured(plain, settings) if settings.transport == "tls" else plain
        with sock:
            for message in messages:
                sock.sendall(b"%d " % len(message) + message)
            if isinstance(sock, ssl.SSLSocket):
                _say_goodbye(sock)
            else:
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(4096):
                    continue  # a syslog server has nothing to say but that it closes


def _say_goodbye(sock: ssl.SSLSocket) -> None:
    """Hear whether the server took it: with TLS 1.3 it refuses a certificate only after our side of the handshake.

    Raises: OSError with what it objects to.
    """
    try:
        sock.unwrap()
    except (ssl.SSLZeroReturnError, ssl.SSLEOFError, TimeoutError):
        return  # it closed without a farewell of its own, or stays open without a word against it
    except ssl.SSLError as error:
        if error.reason != "APPLICATION_DATA_AFTER_CLOSE_NOTIFY":
            raise
    except OSError as error:
        if error.errno != 0:  # 0: an end without a farewell, as Python tells it here
            raise


def _secured(plain: socket.socket, settings: SyslogSettings) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=settings.authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate is not None:
        context.load_cert_chain(settings.certificate, settings.key)
    return context.wrap_socket(plain, server_hostname=settings.host)
