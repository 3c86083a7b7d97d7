"""Instance Availability Notification: tells peers of one study at a time how soon each of its objects can be had.

Source: PS3.4 annex R, PS3.7 section 10.1.5.
"""

from collections.abc import Mapping
from itertools import groupby

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as DicomSequence

from appliance.dimse.commands import Field
from appliance.dimse.identifiers import encode_identifier
from appliance.dimse.outgoing import DestinationRefused, Outgoing
from appliance.dimse.services import EXPLICIT, IMPLICIT
from appliance.dimse.settings import DimseSettings, Peer
from appliance.dimse.wire import ProtocolError, WireClosed
from hsm.catalog import Catalog
from hsm.catalog.announcements import Announcement
from hsm.commitment.levels import FileSet
from hsm.format.directory import file_set_uid
from hsm.states import Availability, Place

AVAILABILITY = "1.2.840.10008.5.1.4.33"
# done; done with a warning about an attribute; known already, as of a try whose answer was lost
_TAKEN = frozenset({0x0000, 0x0107, 0x0116, 0x0111})


class AnnouncementRefused(Exception):
    """A peer did not take a notification of availability."""


def notification(catalog: Catalog, study_uid: str, retrieve_aet: str) -> Dataset:
    """What is true of a study now. Source: PS3.4 table R.3.2-1."""
    known = catalog.studies.instance_availabilities(study_uid)
    volumes = catalog.studies.volumes_of([study_uid]).get(study_uid, ())
    away = next((volume for volume in volumes if volume.place is not Place.LIBRARY), None)
    offline = None if away is None else FileSet(str(away.barcode)[:16], file_set_uid(away.uuid) if away.uuid else "")
    found = catalog.studies.instances(study_uid)
    said = Dataset()
    said.ReferencedPerformedProcedureStepSequence = DicomSequence()
    said.StudyInstanceUID = study_uid
    series = []
    for series_uid, members in groupby(found, key=lambda one: one.series_instance_uid):
        item = Dataset()
        item.SeriesInstanceUID = series_uid
        item.ReferencedSOPSequence = DicomSequence(
            [_item(one.sop_class_uid, one.sop_instance_uid, known, retrieve_aet, offline) for one in members]
        )
        series.append(item)
    said.ReferencedSeriesSequence = DicomSequence(series)
    return said


def _item(
    sop_class: str, sop_instance: str, known: Mapping[str, Availability], retrieve_aet: str, offline: FileSet | None
) -> Dataset:
    availability = known.get(sop_instance, Availability.UNAVAILABLE)
    item = Dataset()
    item.ReferencedSOPClassUID = sop_class
    item.ReferencedSOPInstanceUID = sop_instance
    item.InstanceAvailability = availability.value
    item.RetrieveAETitle = retrieve_aet
    if availability is Availability.OFFLINE and offline is not None:
        item.StorageMediaFileSetID = offline.file_set_id
        if offline.file_set_uid:
            item.StorageMediaFileSetUID = offline.file_set_uid
    return item


def announce(settings: DimseSettings, peer: Peer, one: Announcement, said: Dataset) -> None:
    """Tell a peer on an association of our own. Raises: AnnouncementRefused, DestinationRefused."""
    proposed = [(AVAILABILITY, EXPLICIT), (AVAILABILITY, IMPLICIT)]
    try:
        with Outgoing(settings, one.peer_aet, peer, proposed) as association:
            contexts = association.contexts_for(AVAILABILITY)
            if not contexts:
                raise AnnouncementRefused(f"{one.peer_aet} takes no notifications of availability")
            syntax, context_id = next(iter(contexts.items()))
            fields: dict[Field, int | str] = {
                Field.AFFECTED_SOP_CLASS: AVAILABILITY,
                Field.AFFECTED_SOP_INSTANCE: one.sop_instance_uid,
            }
            status = association.create(context_id, fields, encode_identifier(said, syntax))
    except (WireClosed, ProtocolError) as error:
        raise AnnouncementRefused(f"{one.peer_aet} did not confirm the notification: {error}") from error
    if status not in _TAKEN:
        raise AnnouncementRefused(f"{one.peer_aet} answers the notification with status {status:04X}")


__all__ = ["AVAILABILITY", "AnnouncementRefused", "DestinationRefused", "announce", "notification"]
