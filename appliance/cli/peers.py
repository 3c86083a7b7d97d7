"""`firn peers`: the DICOM nodes around the archive."""

from getpass import getuser
from typing import Annotated

import typer

from appliance.cli.application import app, family
from appliance.cli.failures import ExitStatus, RequestFailed, not_found, refused
from appliance.cli.looking import Json
from appliance.cli.session import Session, session
from appliance.cli.words import ago, iso, safe
from hsm.commitment.levels import Level
from hsm.peers.model import ALL_RIGHTS, PeerRecord, PeerRefused, PeerRight, checked, overlaid

peers_app = family("DICOM nodes around the archive.")
app.add_typer(peers_app, name="peers", rich_help_panel="Set-up")

TitleArgument = Annotated[str, typer.Argument(metavar="AE_TITLE", help="The AE title of the peer.")]
RightOption = Annotated[list[PeerRight] | None, typer.Option("--right", help="What it may do; several times.")]
CommitOption = Annotated[
    Level | None, typer.Option("--commit", help="How safe an object is before storage commitment is promised.")
]
TlsOption = Annotated[bool | None, typer.Option("--tls/--no-tls", help="Whether it is called over TLS.")]
RecallsOption = Annotated[
    str | None,
    typer.Option("--recalls-per-day", help="Studies it may have brought back in 24 hours; 0: none; '' as everybody."),
]
AddressOption = Annotated[
    list[str] | None,
    typer.Option("--address", help="Address or network it calls from; several times; '' as everybody."),
]
PatienceOption = Annotated[
    str | None, typer.Option("--patience", help="Seconds it waits for a recall; '' as everybody.")
]


def _all(current: Session) -> list[PeerRecord]:
    from appliance.peers import configured_peers

    return overlaid(configured_peers(current.config), current.catalog.peers.list())


def _known(current: Session, ae_title: str) -> PeerRecord:
    for peer in _all(current):
        if peer.ae_title == ae_title.strip(" "):
            return peer
    raise not_found("peer", ae_title, "`firn peers list` names them.")


def _editable(current: Session, ae_title: str) -> PeerRecord:
    peer = _known(current, ae_title)
    if peer.configured:
        raise refused(f"{peer.ae_title} stands in the configuration file: change it there.")
    return peer


@peers_app.command("list")
def list_peers(context: typer.Context, as_json: Json = False) -> None:
    """List peers by AE title, with what came of the last C-ECHO."""
    current = session(context)
    checks = current.catalog.peers.checks()
    if as_json:
        rows = []
        for peer in _all(current):
            check = checks.get(peer.ae_title)
            rows.append(
                {
                    "ae_title": peer.ae_title,
                    "host": peer.host,
                    "port": peer.port,
                    "patience_s": peer.patience_s,
                    "rights": sorted(right.value for right in peer.rights),
                    "commit": peer.commit.value,
                    "tls": peer.tls,
                    "recalls_per_day": peer.recalls_per_day,
                    "addresses": list(peer.addresses),
                    "configured": peer.configured,
                    "answered": check.answered if check else None,
                    "checked_at": iso(check.checked_at) if check else None,
                    "seen_at": iso(check.seen_at) if check else None,
                    "message": check.text if check else "",
                }
            )
        current.print_json({"peers": rows})
        return
    table = current.table("AE title", "where", "may", "from", "C-ECHO", "last seen")
    for peer in _all(current):
        check = checks.get(peer.ae_title)
        table.add_row(
            safe(peer.ae_title),
            safe(f"{peer.host}:{peer.port}") + (" (TLS)" if peer.tls else ""),
            ", ".join(sorted(right.value for right in peer.rights)),
            "configuration" if peer.configured else "catalog",
            "not asked yet" if check is None else "answers" if check.answered else safe(check.text),
            ago(check.seen_at, current.now()) if check else "",
        )
    current.out.print(table)


@peers_app.command()
def add(
    context: typer.Context,
    ae_title: TitleArgument,
    host: Annotated[str, typer.Argument(help="Its host name or address.")],
    port: Annotated[int, typer.Argument(help="Its DICOM port.")],
    right: RightOption = None,
    patience: PatienceOption = None,
    commit: CommitOption = None,
    tls: TlsOption = None,
    recalls_per_day: RecallsOption = None,
    address: AddressOption = None,
) -> None:
    """Know another peer; running DICOM services do within seconds."""
    from appliance.peers import configured_peers

    current = session(context)
    try:
        peer = checked(
            ae_title,
            host,
            port,
            patience,
            [one.value for one in right or ALL_RIGHTS],
            commit=commit or Level.DISK,
            tls=bool(tls),
            recalls_per_day=recalls_per_day,
            addresses=",".join(address or ()),
        )
        taken = [one.ae_title for one in configured_peers(current.config)]
        current.catalog.peers.add(peer, taken, getuser(), current.now())
    except PeerRefused as error:
        raise refused(str(error)) from None
    current.say(f"{safe(peer.ae_title)} is known now.")


@peers_app.command()
def change(
    context: typer.Context,
    ae_title: TitleArgument,
    host: Annotated[str | None, typer.Option("--host", help="Its host name or address.")] = None,
    port: Annotated[int | None, typer.Option("--port", help="Its DICOM port.")] = None,
    right: RightOption = None,
    patience: PatienceOption = None,
    commit: CommitOption = None,
    tls: TlsOption = None,
    recalls_per_day: RecallsOption = None,
    address: AddressOption = None,
) -> None:
    """Change what is given of a peer, and leave the rest."""
    current = session(context)
    old = _editable(current, ae_title)
    rights = [one.value for one in right or old.rights]
    try:
        peer = checked(
            old.ae_title,
            host or old.host,
            port or old.port,
            old.patience_s if patience is None else patience,
            rights,
            commit=commit or old.commit,
            tls=old.tls if tls is None else tls,
            recalls_per_day=old.recalls_per_day if recalls_per_day is None else recalls_per_day,
            addresses=",".join(old.addresses if address is None else address),
        )
        current.catalog.peers.change(peer, old.version, getuser(), current.now())
    except PeerRefused as error:
        raise refused(str(error)) from None
    current.say(f"{safe(peer.ae_title)} is changed.")


@peers_app.command()
def remove(context: typer.Context, ae_title: TitleArgument) -> None:
    """Forget a peer."""
    current = session(context)
    peer = _editable(current, ae_title)
    current.catalog.peers.remove(peer.ae_title, getuser(), current.now())
    current.say(f"{safe(peer.ae_title)} is no longer a peer.")


@peers_app.command()
def check(context: typer.Context, ae_title: TitleArgument) -> None:
    """Send a C-ECHO now; status 1 when the peer does not answer."""
    from appliance.peers import peering

    current = session(context)
    peer = _known(current, ae_title)
    answer = peering(current.config).echo(peer)
    current.catalog.peers.checked(peer.ae_title, answer, current.now())
    if not answer.answered:
        raise RequestFailed(ExitStatus.FAILED, f"{safe(peer.ae_title)} did not answer: {safe(answer.text)}.")
    current.say(f"{safe(peer.ae_title)} answered after {answer.took_s * 1000:.0f} ms.")
