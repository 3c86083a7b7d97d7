"""Identifiers between bytes and data sets."""

import io
import zlib

from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pynetdicom.dsutils import encode

from appliance.dimse.channel import MAX_IDENTIFIER_BYTES
from hsm.elements import encoding_of
from hsm.query.model import UNABLE_TO_PROCESS, QueryInvalid


def decode_identifier(data: bytes, transfer_syntax_uid: str) -> Dataset:
    """The data set of a request. Raises: QueryInvalid."""
    encoding = encoding_of(transfer_syntax_uid)
    try:
        if encoding.deflated:
            data = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, MAX_IDENTIFIER_BYTES)
        return read_dataset(io.BytesIO(data), encoding.implicit, encoding.little)
    except Exception as error:
        raise QueryInvalid(f"identifier unreadable: {type(error).__name__}", UNABLE_TO_PROCESS) from error


def encode_identifier(dataset: Dataset, transfer_syntax_uid: str) -> bytes:
    """The bytes of a response's data set. Raises: ValueError when one of its values cannot be written."""
    encoding = encoding_of(transfer_syntax_uid)
    data = encode(dataset, encoding.implicit, encoding.little, encoding.deflated)
    if data is None:
        raise ValueError("an answer cannot be encoded")
    return data
