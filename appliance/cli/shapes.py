"""The rows of --json. Their keys are a promise (docs/COMMANDS.md): add, never rename."""

from typing import Any

from appliance.cli.words import iso
from hsm.catalog.audit import AuditRecord
from hsm.catalog.records import CleaningRecord, DriveRecord, EventRecord, QuarantinedFile
from hsm.catalog.shelf import WantedVolume
from hsm.facts import CopyRecord, JobRecord, VolumeRecord
from hsm.repack.facts import Progress, RepackRecord, Trouble
from hsm.repack.forecast import Forecast


def job_row(job: JobRecord) -> dict[str, Any]:
    """One job."""
    return {
        "id": job.id,
        "kind": str(job.kind),
        "state": str(job.state),
        "study_instance_uid": job.study_instance_uid,
        "pool": job.pool,
        "volume": job.barcode,
        "size_bytes": job.size_bytes,
        "done_bytes": job.done_bytes,
        "phase": job.phase,
        "message": job.message,
        "reason": job.reason,
        "attempts": job.attempts,
        "requested_by": job.requested_by,
        "created_at": iso(job.created_at),
        "not_before": iso(job.not_before),
        "started_at": iso(job.started_at),
        "ended_at": iso(job.ended_at),
        "eta_at": iso(job.eta_at),
    }


def volume_row(volume: VolumeRecord) -> dict[str, Any]:
    """One volume."""
    return {
        "barcode": volume.barcode,
        "uuid": volume.uuid,
        "kind": str(volume.kind),
        "generation": volume.generation,
        "pool": volume.pool,
        "library": volume.library,
        "place": str(volume.place),
        "location": volume.location,
        "state": str(volume.state),
        "capacity_bytes": volume.capacity_bytes,
        "used_bytes": volume.used_bytes,
        "packs": volume.last_sequence,
        "mounts": volume.mounts,
        "errors": volume.errors,
        "labelled_at": iso(volume.labelled_at),
        "verified_at": iso(volume.verified_at),
        "reason": volume.reason,
        "leaving": volume.leaving,
        "written_bytes": volume.written_bytes,
        "read_bytes": volume.read_bytes,
        "corrected_errors": volume.corrected_errors,
        "uncorrected_errors": volume.uncorrected_errors,
    }


def wanted_row(line: WantedVolume) -> dict[str, Any]:
    """One line of the operator's pick list."""
    return {
        "volume": line.barcode,
        "pool": line.pool,
        "kind": None if line.kind is None else str(line.kind),
        "library": line.library,
        "place": None if line.place is None else str(line.place),
        "location": line.location,
        "jobs": line.jobs,
        "studies": line.studies,
        "wanted_by": list(line.requesters),
        "since": iso(line.since),
        "reason": line.reason,
    }


def copy_row(copy: CopyRecord) -> dict[str, Any]:
    """One copy of one pack."""
    return {
        "id": copy.id,
        "study_instance_uid": copy.study_instance_uid,
        "pack": copy.pack_digest,
        "pool": copy.pool,
        "kind": str(copy.kind),
        "volume": copy.barcode,
        "sequence": copy.sequence,
        "state": str(copy.state),
        "size_bytes": copy.size_bytes,
        "verified_at": iso(copy.verified_at),
        "verified_by": copy.verified_by,
    }


def drive_row(drive: DriveRecord) -> dict[str, Any]:
    """One drive."""
    return {
        "library": drive.library,
        "index": drive.index,
        "serial": drive.serial,
        "kind": str(drive.kind),
        "state": str(drive.state),
        "volume": drive.barcode,
        "errors": drive.errors,
        "reason": drive.reason,
        "changed_at": iso(drive.changed_at),
        "alerts": list(drive.alerts),
        "wants_cleaning": drive.wants_cleaning,
        "cleaned_at": iso(drive.cleaned_at),
        "mounts": drive.mounts,
        "recalls_only": drive.recalls_only,
    }


def cleaning_row(cartridge: CleaningRecord) -> dict[str, Any]:
    """One cleaning cartridge."""
    return {
        "barcode": cartridge.barcode,
        "library": cartridge.library,
        "present": cartridge.present,
        "uses": cartridge.uses,
        "used_up": cartridge.used_up,
        "used_at": iso(cartridge.used_at),
    }


def event_row(event: EventRecord) -> dict[str, Any]:
    """One event."""
    return {
        "at": iso(event.at),
        "level": event.level,
        "name": event.name,
        "subject": event.subject,
        "fields": dict(event.fields),
    }


def audit_row(entry: AuditRecord) -> dict[str, Any]:
    """One entry of the audit trail."""
    return {
        "id": entry.id,
        "at": iso(entry.at),
        "actor": entry.actor,
        "via": entry.via,
        "address": entry.address,
        "action": entry.action,
        "kind": entry.kind,
        "object": entry.object,
        "outcome": entry.outcome,
        "fields": dict(entry.fields),
    }


def quarantine_row(entry: QuarantinedFile) -> dict[str, Any]:
    """One file in quarantine."""
    return {
        "at": iso(entry.at),
        "path": entry.path,
        "reason": entry.reason,
        "sop_instance_uid": entry.sop_instance_uid,
        "source_aet": entry.source_aet,
        "size_bytes": entry.size_bytes,
    }


def repack_row(repack: RepackRecord, now: Progress) -> dict[str, Any]:
    """One repack, and how far it is."""
    return {
        "state": str(repack.state),
        "phase": str(repack.phase),
        "reason": repack.reason,
        "requested_by": repack.requested_by,
        "created_at": iso(repack.created_at),
        "ended_at": iso(repack.ended_at),
        "copies": repack.copies,
        "size_bytes": repack.size_bytes,
        "left": now.left,
        "left_bytes": now.left_bytes,
        "written": now.written,
        "unreadable": now.unreadable,
        "troubles": [trouble_row(trouble) for trouble in repack.troubles],
    }


def trouble_row(trouble: Trouble) -> dict[str, Any]:
    """One pack that keeps a volume from being drained."""
    return {
        "pack": trouble.pack_digest,
        "study_instance_uid": trouble.study_instance_uid,
        "reason": trouble.reason,
    }


def forecast_row(forecast: Forecast) -> dict[str, Any]:
    """What a repack would take."""
    return {
        "volume": forecast.barcode,
        "packs": [
            {
                "pack": pack.digest,
                "study_instance_uid": pack.study_instance_uid,
                "size_bytes": pack.size_bytes,
                "source": pack.source,
            }
            for pack in forecast.packs
        ],
        "size_bytes": forecast.size_bytes,
        "read_bytes": forecast.read_bytes,
        "sources": dict(forecast.sources),
        "target_volumes": forecast.target_volumes,
        "lacking_bytes": forecast.lacking_bytes,
        "mounts": forecast.mounts,
        "duration_s": forecast.duration_s,
        "troubles": [trouble_row(trouble) for trouble in forecast.troubles],
    }
