"""The settings of orders: HL7 messages and the worklist."""

from ipaddress import ip_network
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field

from appliance.config.base import Host, Port, Section


def _sender(text: str) -> str:
    """Refuse what is neither an address nor a network."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        raise ValueError("write an address, or a network such as 192.0.2.0/24") from None
    return text


def _zone(text: str) -> str:
    """Refuse what is no zone of the IANA database."""
    try:
        if text:
            ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError):
        raise ValueError("there is no such time zone; names are like Europe/Berlin") from None
    return text


Sender = Annotated[str, AfterValidator(_sender)]


class OrdersSection(Section):
    """Orders and appointments: HL7 v2 messages over MLLP, and the modality worklist."""

    hl7: bool = Field(False, description="Listen for HL7 v2 messages (orders, patient updates and merges).")
    host: Host = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all networks.")
    port: Port = Field(2575, description="TCP port of the HL7 listener (MLLP).")
    senders: tuple[Sender, ...] = Field(
        ("127.0.0.1", "::1"),
        description="Addresses and networks that may send; connections from others are closed at once.",
        examples=[["192.0.2.20", "198.51.100.0/24"]],
    )
    max_message_bytes: int = Field(
        1048576, ge=1024, le=67108864, description="A longer message ends its connection while it arrives."
    )
    max_connections: int = Field(16, ge=1, le=1024, description="Connections one acceptor holds at a time.")
    idle_timeout_s: float = Field(3600, ge=1, le=604800, description="A silent connection is closed after this time.")
    time_zone: Annotated[str, AfterValidator(_zone)] = Field(
        "",
        description="Zone in which times without an offset are meant, and of the times in the worklist, for example "
        "Europe/Berlin. Empty: that of this machine.",
    )
