"""Hands one message over: by SMTP, or as a POST of JSON with a signature.

Source: RFC 5321, RFC 3207 (STARTTLS), RFC 8314 (implicit TLS); RFC 2104 (HMAC).
"""

import hashlib
import hmac
import json
import smtplib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from hsm.notices.model import Message, NotTold, TargetKind

SIGNATURE_HEADER = "X-Firn-Signature"
LIMIT_S = 20.0
ANSWER_CHARACTERS = 200


@dataclass(frozen=True)
class SendSettings:
    """How messages leave the house. Secrets are read from their files each time: they may be exchanged."""

    house: str = "firn"
    pages: str = ""  # where the pages are, for links
    smtp_host: str = ""  # "": no mail can be sent
    smtp_port: int = 25
    smtp_security: Literal["none", "starttls", "tls"] = "starttls"
    smtp_user: str = ""
    smtp_password_file: Path | None = None
    sender: str = ""
    webhook_secret_file: Path | None = None
    tls: ssl.SSLContext | None = None  # None: the machine's certificate authorities


def hand_over(settings: SendSettings, kind: str, address: str, message: Message, now: datetime) -> str:
    """Send a message and return the answer in words. Raises: NotTold."""
    if kind == TargetKind.MAIL:
        return _mail(settings, address, message, now)
    return _post(settings, address, message)


def _mail(settings: SendSettings, address: str, message: Message, now: datetime) -> str:
    if not settings.smtp_host or not settings.sender:
        raise NotTold("no mail can be sent: set notify.smtp_host and notify.sender in the configuration")
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = settings.sender, address, " ".join(message.subject.split())
    mail["Date"], mail["Message-ID"] = format_datetime(now), make_msgid(domain=settings.sender.rpartition("@")[2])
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no answer to it is wanted
    mail.set_content(message.text)
    context = settings.tls or ssl.create_default_context()
    try:
        if settings.smtp_security == "tls":
            server: smtplib.SMTP = smtplib.SMTP_SSL(
                settings.smtp_host, settings.smtp_port, timeout=LIMIT_S, context=context
            )
        else:
            server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=LIMIT_S)
        with server:
            if settings.smtp_security == "starttls":
                server.starttls(context=context)
            if settings.smtp_user:
                server.login(settings.smtp_user, _secret(settings.smtp_password_file))
            server.send_message(mail)
    except (smtplib.SMTPException, OSError) as error:
        raise NotTold(f"{settings.smtp_host}:{settings.smtp_port}: {_words(error)}") from None
    return f"{settings.smtp_host} took the mail"


def signature(secret: str, body: bytes) -> str:
    """What proves that a body comes from here: HMAC-SHA256, as "sha256=" and hexadecimal digits."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def _post(settings: SendSettings, address: str, message: Message) -> str:
    parts = urlsplit(address)
    body = json.dumps({"subject": message.subject, "text": message.text, **message.payload}).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "Firn"}
    if settings.webhook_secret_file is not None:
        headers[SIGNATURE_HEADER] = signature(_secret(settings.webhook_secret_file), body)
    host = str(parts.hostname)
    try:
        if parts.scheme == "https":
            context = settings.tls or ssl.create_default_context()
            connection: HTTPConnection = HTTPSConnection(host, parts.port, timeout=LIMIT_S, context=context)
        else:
            connection = HTTPConnection(host, parts.port, timeout=LIMIT_S)
        try:
            connection.request("POST", (parts.path or "/") + (f"?{parts.query}" if parts.query else ""), body, headers)
            answer = connection.getresponse()
            answer.read(4096)
        finally:
            connection.close()
    except (OSError, HTTPException) as error:
        raise NotTold(f"{parts.netloc}: {_words(error)}") from None
    if not 200 <= answer.status < 300:
        raise NotTold(f"{parts.netloc} answers {answer.status} {answer.reason}"[:ANSWER_CHARACTERS])
    return f"{parts.netloc} answers {answer.status} {answer.reason}"[:ANSWER_CHARACTERS]


def _secret(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotTold(f"the secret in {path} cannot be read: {type(error).__name__}") from None


def _words(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPResponseException):
        text = error.smtp_error.decode("utf-8", "replace") if isinstance(error.smtp_error, bytes) else error.smtp_error
        return f"{error.smtp_code} {text}"[:ANSWER_CHARACTERS]
    return f"{type(error).__name__}: {error}"[:ANSWER_CHARACTERS]


def as_fields(settings: SendSettings) -> Mapping[str, str]:
    """How messages leave the house, for the page; no secret."""
    mail = f"{settings.smtp_host}:{settings.smtp_port} ({settings.smtp_security})" if settings.smtp_host else ""
    return {"mail": mail, "sender": settings.sender, "signed": "yes" if settings.webhook_secret_file else ""}
