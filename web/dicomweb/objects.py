"""Whole objects on their way out: the stored bytes, or the same object in a transfer syntax the client takes.

Source: PS3.18 section 8.7.3.5, PS3.5 section 10 and annex A.
"""

import io
from collections.abc import Iterator
from typing import BinaryIO

import pydicom
from pydicom.errors import InvalidDicomError
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import UID, ExplicitVRLittleEndian

from web.dicomweb.accept import EXPLICIT

PIECE_BYTES = 1 << 20
MAX_CONVERTED_BYTES = 1 << 30  # a larger object goes as it is stored, or not at all
_NATIVE = frozenset({"1.2.840.10008.1.2", EXPLICIT, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"})


class NotConvertible(Exception):
    """An object cannot be given in the transfer syntax that was asked for; the message says why."""


def is_native(transfer_syntax_uid: str) -> bool:
    """Whether pixels lie there uncompressed, one after the other."""
    return transfer_syntax_uid in _NATIVE


def can_decode(transfer_syntax_uid: str) -> bool:
    """Whether compressed pixels can be decompressed here. Depends on the installed decoders."""
    try:
        return bool(get_decoder(UID(transfer_syntax_uid)).is_available)
    except NotImplementedError:
        return False


def pieces(stream: BinaryIO) -> Iterator[bytes]:
    """The rest of a stream, which is closed at the end, also when nobody takes it all."""
    with stream:
        while data := stream.read(PIECE_BYTES):
            yield data


def converted(stream: BinaryIO, transfer_syntax_uid: str) -> BinaryIO:
    """A stored object written anew in another, uncompressed, transfer syntax.

    Raises: NotConvertible.
    """
    target = UID(transfer_syntax_uid)
    try:
        dataset = pydicom.dcmread(stream)
        if dataset.file_meta.TransferSyntaxUID.is_compressed and "PixelData" in dataset:
            dataset.decompress(generate_instance_uid=False)
        made = io.BytesIO()
        if target != ExplicitVRLittleEndian or dataset.file_meta.TransferSyntaxUID != target:
            dataset.file_meta.TransferSyntaxUID = target
        pydicom.dcmwrite(made, dataset, little_endian=True, implicit_vr=target.is_implicit_VR)
    except (InvalidDicomError, AttributeError, ValueError, TypeError, RuntimeError, LookupError) as error:
        raise NotConvertible(
            f"it cannot be written in {transfer_syntax_uid}: {type(error).__name__}; ask for transfer-syntax=*"
        ) from error
    made.seek(0)
    return made
