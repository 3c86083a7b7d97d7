"""The addresses under /dicom-web that search and retrieve. What is found and how it is written is decided elsewhere.

Source: PS3.18 chapter 10.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from flask import Blueprint, Response, abort, request, url_for

from hsm.access.roles import Right
from hsm.dicom_json import addressed
from hsm.facts import StoredInstance
from hsm.query.answers import answers
from hsm.query.model import Level
from hsm.transcoding import can_decode, is_native
from web.access.gate import needs
from web.dicomweb import accept, frames, metadata, objects
from web.dicomweb.answering import PREFIX, address_of, headers_of, instances_at, shelf, streamed, touched, wanted_types
from web.dicomweb.awaiting import not_online
from web.dicomweb.multipart import Writer
from web.dicomweb.searching import Search, SearchInvalid, parse_search
from web.services import services

pages = Blueprint("dicomweb", __name__, url_prefix=PREFIX)
_RETRIEVE_URL, _RETRIEVE_AE = "00081190", "00080054"
_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"
_METADATA_AT_ONCE = 50  # objects whose metadata are read before the first is sent


# -- searching -------------------------------------------------------------------------------------------------------


@pages.get("/studies")
@needs(Right.LOOK)
def search_studies() -> Response:
    """Studies."""
    return _search(Level.STUDY)


@pages.get("/series")
@pages.get("/studies/<study>/series")
@needs(Right.LOOK)
def search_series(study: str = "") -> Response:
    """Series, of one study or of all."""
    return _search(Level.SERIES, study)


@pages.get("/instances")
@pages.get("/studies/<study>/instances")
@pages.get("/studies/<study>/series/<series>/instances")
@needs(Right.LOOK)
def searchinstances_at(study: str = "", series: str = "") -> Response:
    """Instances, of one series, of one study, or of all."""
    return _search(Level.IMAGE, study, series)


def _search(level: Level, study: str = "", series: str = "") -> Response:
    if not accept.takes(wanted_types(), accept.DICOM_JSON, multipart=False) and not accept.takes(
        wanted_types(), "application/json", multipart=False
    ):
        abort(406, "Searches are answered as application/dicom+json.")
    within = {Level.STUDY: study, Level.SERIES: series}
    try:
        search = parse_search(level, request.args.items(multi=True), {at: uid for at, uid in within.items() if uid})
    except SearchInvalid as error:
        abort(400, f"{error}.")
    found, more = _matches(search)
    response = Response(json.dumps(found, ensure_ascii=False), content_type=accept.DICOM_JSON)
    if not found:
        response = Response(status=204)
    warnings = list(search.warnings)
    if more:
        warnings.append("There are additional results that can be requested.")
    for text in warnings:
        response.headers.add("Warning", f'299 {request.host} "{text}"')
    return response


def _matches(search: Search) -> tuple[list[Mapping[str, Any]], bool]:
    most = search.offset + search.limit
    matches = answers(services().catalog.database, search.query, "", most + 1)
    found = [_addressed(each.attributes) for each in islice(matches, search.offset, most)]
    return found, next(matches, None) is not None


def _addressed(attributes: Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer with the address to retrieve it from, and without the AE title that DIMSE answers carry."""
    uids = {
        name: attributes[key]["Value"][0]
        for name, key in (("study", _STUDY), ("series", _SERIES), ("instance", _INSTANCE))
        if attributes.get(key, {}).get("Value")
    }
    kind = {1: "study", 2: "series", 3: "instance"}[len(uids)]
    address = url_for(f"dicomweb.retrieve_{kind}", _external=True, **uids)
    said = {key: value for key, value in attributes.items() if key != _RETRIEVE_AE}
    return dict(sorted({**said, _RETRIEVE_URL: {"vr": "UR", "Value": [address]}}.items()))


# -- retrieving ------------------------------------------------------------------------------------------------------


@pages.get("/studies/<study>")
@needs(Right.LOOK)
def retrieve_study(study: str) -> Response:
    """All instances of a study."""
    return _objects(instances_at(study))


@pages.get("/studies/<study>/series/<series>")
@needs(Right.LOOK)
def retrieve_series(study: str, series: str) -> Response:
    """All instances of a series."""
    return _objects(instances_at(study, series))


@pages.get("/studies/<study>/series/<series>/instances/<instance>")
@needs(Right.LOOK)
def retrieve_instance(study: str, series: str, instance: str) -> Response:
    """One instance."""
    return _objects(instances_at(study, series, instance))


def _objects(found: Sequence[StoredInstance]) -> Response:
    wanted = wanted_types()
    syntaxes = accept.instance_syntaxes(wanted)
    if syntaxes is None:
        abort(406, 'Instances are given as multipart/related; type="application/dicom".')
    plan = []
    for each in found:
        stored = each.transfer_syntax_uid
        target = accept.target_syntax(stored, syntaxes, is_native(stored), can_decode(stored))
        if target is None:
            abort(406, f"An object is stored as {stored} and cannot be given otherwise: ask for transfer-syntax=*.")
        plan.append((each, target))
    if (waiting := not_online(found)) is not None:
        return waiting
    touched(found)
    if len(plan) == 1 and not accept.takes(wanted, accept.DICOM, multipart=True):
        return streamed(one_object(*plan[0]), f"{accept.DICOM}; transfer-syntax={plan[0][1]}")
    writer = Writer()
    parts = (
        (headers_of(each, f"{accept.DICOM}; transfer-syntax={target}"), one_object(each, target))
        for each, target in plan
    )
    return streamed(writer.body(parts), writer.content_type(accept.DICOM))


def one_object(instance: StoredInstance, target: str) -> Iterator[bytes]:
    """The bytes of one object in a transfer syntax. Raises: what `Archive.open` raises, NotTranscodable."""
    archive = services().archive
    if target == instance.transfer_syntax_uid:
        yield from objects.pieces(archive.open(instance))
        return
    with archive.transcoded(instance, target) as made:
        yield from objects.pieces(made.file)


@pages.get("/studies/<study>/metadata")
@pages.get("/studies/<study>/series/<series>/metadata")
@pages.get("/studies/<study>/series/<series>/instances/<instance>/metadata")
@needs(Right.LOOK)
def retrieve_metadata(study: str, series: str = "", instance: str = "") -> Response:
    """All attributes of the instances, long values as addresses."""
    if not accept.takes(wanted_types(), accept.DICOM_JSON, multipart=False):
        abort(406, "Metadata are given as application/dicom+json.")
    found = instances_at(study, series, instance)
    if (waiting := not_online(metadata.away(found, shelf()))) is not None:
        return waiting
    return streamed(_metadata(found), accept.DICOM_JSON)


def _metadata(found: Sequence[StoredInstance]) -> Iterator[bytes]:
    separator = b"["
    for each, text in metadata.texts(services().archive, found, shelf()):
        yield separator + addressed(text, f"{address_of(each)}/bulkdata")
        separator = b","
    yield b"]"


@pages.get("/studies/<study>/series/<series>/instances/<instance>/bulkdata/<path:path>")
@needs(Right.LOOK)
def retrieve_bulk_value(study: str, series: str, instance: str, path: str) -> Response:
    """One long value, as the metadata name it."""
    found = instances_at(study, series, instance)
    if (waiting := not_online(found)) is not None:
        return waiting
    if found[0].size_bytes > metadata.MAX_VALUE_BYTES:
        abort(406, "This object is too large for that: retrieve its frames, or all of it.")
    try:
        with services().archive.open(found[0]) as stream:
            value = metadata.bulk_value(stream, path)
    except metadata.NoSuchValue as error:
        abort(404, f"{error}.")
    if accept.takes(wanted_types(), accept.OCTETS, multipart=True):
        writer = Writer()
        headers = {"Content-Type": accept.OCTETS, "Content-Location": request.base_url}
        return streamed(writer.body([(headers, [value])]), writer.content_type(accept.OCTETS))
    if not accept.takes(wanted_types(), accept.OCTETS, multipart=False):
        abort(406, "Bulk values are given as application/octet-stream.")
    return Response(value, content_type=accept.OCTETS)


@pages.get("/studies/<study>/series/<series>/instances/<instance>/frames/<numbers>")
@needs(Right.LOOK)
def retrieve_frames(study: str, series: str, instance: str, numbers: str) -> Response:
    """Some frames of an instance, in the order asked for."""
    found = instances_at(study, series, instance)
    try:
        asked = frames.numbers_of(numbers)
    except frames.NoSuchFrame as error:
        abort(400, f"{error}.")
    form = frames.form_of(found[0].transfer_syntax_uid, wanted_types())
    if form is None:
        abort(406, f"The frames are stored as {found[0].transfer_syntax_uid}: ask for transfer-syntax=*.")
    if (waiting := not_online(found)) is not None:
        return waiting
    touched(found)
    stream = services().archive.open(found[0])
    try:
        reader = frames.FrameReader(stream)
        reader.check(asked)
    except frames.NoSuchFrame as error:
        stream.close()
        abort(404, f"{error}.")
    except frames.FramesUnreadable as error:
        stream.close()
        abort(406, f"{error}.")
    writer = Writer()

    def parts() -> Iterator[tuple[Mapping[str, str], Sequence[bytes]]]:
        with stream:
            for number in asked:
                yield headers_of(found[0], form.content_type, f"/frames/{number}"), [reader.frame(number, form)]

    return streamed(writer.body(parts()), writer.content_type(form.media_type))
