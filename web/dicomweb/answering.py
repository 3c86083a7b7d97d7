"""What the addresses under /dicom-web share: what they name, what a client takes, bodies that are sent while made."""

from collections.abc import Iterator, Sequence

from flask import Response, abort, request, stream_with_context, url_for

from hsm.archive import NotOnline
from hsm.cards import CardShelf
from hsm.catalog.errors import NotCatalogued
from hsm.dicom_json import MetadataUnreadable
from hsm.facts import StoredInstance
from hsm.format.text import is_uid
from hsm.pool import PoolFileMissing
from hsm.rendering import NotRendered, RenderersBusy
from hsm.transcoding import NotTranscodable
from web.access.sightings import saw
from web.dicomweb import accept, frames
from web.services import services

PREFIX = "/dicom-web"


def shelf() -> CardShelf | None:
    """Where previews and headers are kept; None where they are not."""
    cards = services().cards
    return None if cards is None else cards.shelf


def wanted_types() -> tuple[accept.Range, ...]:
    """What the client takes."""
    return accept.ranges(request.headers.get("Accept", ""), request.args.get("accept", ""))


def instances_at(study: str, series: str = "", instance: str = "") -> list[StoredInstance]:
    """What an address names; 404 when there is no such thing."""
    if not all(is_uid(uid) for uid in (study, series, instance) if uid):
        abort(400, "The address holds something that is no UID.")
    found = services().catalog.studies.instances(study, [series] if series else (), [instance] if instance else ())
    if not found:
        abort(404, "There is nothing with these UIDs in the archive.")
    return found


def touched(found: Sequence[StoredInstance]) -> None:
    """Note that somebody retrieved from their study: for the rules, and for the audit trail."""
    services().archive.touch(found[0].study_instance_uid)
    saw(found[0].study_instance_uid)


def address_of(instance: StoredInstance) -> str:
    """Where an instance is retrieved from."""
    return url_for(
        "dicomweb.retrieve_instance",
        study=instance.study_instance_uid,
        series=instance.series_instance_uid,
        instance=instance.sop_instance_uid,
        _external=True,
    )


def headers_of(instance: StoredInstance, content_type: str, below: str = "") -> dict[str, str]:
    """Of one part."""
    return {"Content-Type": content_type, "Content-Location": f"{address_of(instance)}{below}"}


def streamed(body: Iterator[bytes], content_type: str) -> Response:
    """A body that is sent while it is made. Its first piece is made at once: what fails there still gets a status."""
    try:
        first = next(body, b"")
    except (NotOnline, PoolFileMissing, NotCatalogued):
        abort(503, "It was released or moved at this moment. Ask again.")
    except RenderersBusy as error:
        abort(503, f"{error}.")
    except NotRendered as error:
        abort(404 if error.missing else 406, f"No picture: {error}.")
    except (NotTranscodable, MetadataUnreadable, frames.FramesUnreadable) as error:
        abort(406, f"{error}.")

    def rest() -> Iterator[bytes]:
        yield first
        yield from body

    return Response(stream_with_context(rest()), content_type=content_type)
