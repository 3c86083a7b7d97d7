"""Image series: CT, MR, multi-frame ultrasound, a digital radiograph, a colour photograph; phantoms with noise."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    ExplicitVRLittleEndian,
    MRImageStorage,
    RLELossless,
    SecondaryCaptureImageStorage,
    UltrasoundMultiFrameImageStorage,
)

from appliance.demo.objects import SeriesPlan, new_object, place_in_space

FIELD_OF_VIEW_MM = 250.0

# centre x, centre y, half axes, value added; in halves of the field of view
_ELLIPSES = (
    (0.0, 0.0, 0.72, 0.92, 1.0),
    (0.0, 0.0, 0.66, 0.86, -0.55),
    (0.24, 0.05, 0.14, 0.34, -0.22),
    (-0.24, 0.05, 0.18, 0.42, -0.22),
    (0.0, -0.38, 0.22, 0.24, 0.16),
    (0.05, 0.12, 0.05, 0.05, 0.20),
    (-0.08, 0.62, 0.06, 0.03, 0.25),
)


def phantom(size_px: int, depth: float, seed: int, noise: float = 0.02) -> NDArray[np.float64]:
    """A head-like slice in 0..1. depth runs from 0 (foot end) to 1 (head end)."""
    axis = np.linspace(-1.0, 1.0, size_px)
    x, y = np.meshgrid(axis, axis)
    shrink = float(np.sqrt(max(0.05, 1.0 - (2.0 * depth - 1.0) ** 2 * 0.8)))
    picture = np.zeros((size_px, size_px))
    for centre_x, centre_y, half_x, half_y, value in _ELLIPSES:
        inside = ((x - centre_x) / (half_x * shrink)) ** 2 + ((y - centre_y) / (half_y * shrink)) ** 2 <= 1.0
        picture[inside] += value
    picture += np.random.default_rng(seed).normal(0.0, noise, picture.shape)
    return np.clip(picture, 0.0, 1.0)


def _grey(target: Dataset, pixels: NDArray[np.generic], bits_stored: int, signed: bool = False) -> None:
    target.SamplesPerPixel = 1
    target.PhotometricInterpretation = "MONOCHROME2"
    target.Rows, target.Columns = pixels.shape[-2:]
    target.BitsAllocated = pixels.dtype.itemsize * 8
    target.BitsStored = bits_stored
    target.HighBit = bits_stored - 1
    target.PixelRepresentation = int(signed)
    _pixels(target, pixels)


def _pixels(target: Dataset, pixels: NDArray[np.generic]) -> None:
    raw = pixels.tobytes()
    target.add_new("PixelData", "OW" if target.BitsAllocated > 8 else "OB", raw + b"\0" * (len(raw) % 2))


def compress_rle(instance: FileDataset) -> FileDataset:
    """The same image in RLE Lossless, under the same UIDs. Source: PS3.5 Annex G."""
    instance.compress(RLELossless, encoding_plugin="pydicom", generate_instance_uid=False)
    return instance


def ct_series(
    series: SeriesPlan, slices: int, size_px: int = 512, syntax: str = ExplicitVRLittleEndian
) -> Iterator[FileDataset]:
    """Axial slices of 12-bit CT, 2.5 mm apart."""
    spacing_mm = FIELD_OF_VIEW_MM / size_px
    for number in range(1, slices + 1):
        made = new_object(series, CTImageStorage, number, syntax)
        z_mm = 2.5 * (number - 1)
        place_in_space(made, series, z_mm, spacing_mm, 2.5)
        made.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        made.AcquisitionNumber = 1
        made.ContentDate, made.ContentTime = made.StudyDate, made.StudyTime
        made.PatientPosition = "HFS"
        made.PatientOrientation = ["L", "P"]
        made.SliceLocation = z_mm
        made.KVP = 120
        made.RescaleIntercept, made.RescaleSlope, made.RescaleType = -1024, 1, "HU"
        made.WindowCenter, made.WindowWidth = 40, 400
        hounsfield = phantom(size_px, number / (slices + 1), seed=number) * 1600.0 - 1000.0
        _grey(made, np.clip(hounsfield + 1024.0, 0, 4095).astype("<u2"), bits_stored=12)
        yield made


def mr_series(
    series: SeriesPlan, slices: int, size_px: int = 256, syntax: str = ExplicitVRLittleEndian
) -> Iterator[FileDataset]:
    """Axial T2-weighted spin-echo slices, 4 mm apart."""
    spacing_mm = FIELD_OF_VIEW_MM / size_px
    for number in range(1, slices + 1):
        made = new_object(series, MRImageStorage, number, syntax)
        z_mm = 4.0 * (number - 1)
        place_in_space(made, series, z_mm, spacing_mm, 4.0)
        made.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
        made.AcquisitionNumber = 1
        made.ContentDate, made.ContentTime = made.StudyDate, made.StudyTime
        made.PatientPosition = "HFS"
        made.PatientOrientation = ["L", "P"]
        made.SliceLocation = z_mm
        made.ScanningSequence, made.SequenceVariant = "SE", "SK"
        made.ScanOptions, made.MRAcquisitionType = "", "2D"
        made.RepetitionTime, made.EchoTime, made.EchoTrainLength = 4000.0, 100.0, 12
        made.MagneticFieldStrength = 1.5
        made.WindowCenter, made.WindowWidth = 500, 1000
        signal = phantom(size_px, number / (slices + 1), seed=1000 + number, noise=0.03) * 1000.0
        _grey(made, signal.astype("<u2"), bits_stored=12)
        yield made


def ultrasound_clip(
    series: SeriesPlan,
    number: int,
    frames: int,
    rows: int = 240,
    columns: int = 320,
    syntax: str = ExplicitVRLittleEndian,
) -> FileDataset:
    """A multi-frame B-mode clip, 8-bit grey, 25 frames a second."""
    made = new_object(series, UltrasoundMultiFrameImageStorage, number, syntax)
    made.ImageType = ["ORIGINAL", "PRIMARY", "CHEST", "0001"]
    made.ContentDate, made.ContentTime = made.StudyDate, made.StudyTime
    made.PatientOrientation = ""
    made.NumberOfFrames = frames
    made.FrameTime = 40.0
    made.FrameIncrementPointer = 0x00181063
    made.LossyImageCompression = "00"
    noise = np.random.default_rng(frames * 7919 + number)
    depth, angle = np.meshgrid(np.linspace(0, 1, rows), np.linspace(-1, 1, columns), indexing="ij")
    sector = np.abs(angle) <= 0.25 + depth * 0.7
    clip = np.zeros((frames, rows, columns), dtype=np.uint8)
    for frame in range(frames):
        beat = 0.25 + 0.05 * np.sin(2 * np.pi * frame / 20.0)
        chamber = (angle / 0.5) ** 2 + ((depth - 0.55) / beat) ** 2 > 1.0
        speckle = noise.rayleigh(45.0, (rows, columns))
        clip[frame] = np.where(sector, np.clip(speckle * (0.35 + 0.9 * chamber), 0, 255), 0).astype(np.uint8)
    _grey(made, clip, bits_stored=8)
    return made


def radiograph(
    series: SeriesPlan, number: int, size_px: int = 1024, syntax: str = ExplicitVRLittleEndian
) -> FileDataset:
    """One computed radiograph, 10 bits."""
    made = new_object(series, ComputedRadiographyImageStorage, number, syntax)
    made.ImageType = ["ORIGINAL", "PRIMARY"]
    made.ContentDate, made.ContentTime = made.StudyDate, made.StudyTime
    made.ViewPosition = "PA"
    made.PatientOrientation = ["L", "F"]
    made.KVP = 117
    made.PlateID, made.CassetteOrientation, made.CassetteSize = "1", "PORTRAIT", "35CMX43CM"
    made.ImagerPixelSpacing = [round(350.0 / size_px, 6)] * 2
    made.WindowCenter, made.WindowWidth = 512, 1024
    _grey(made, (phantom(size_px, 0.5, seed=77, noise=0.01) * 1023).astype("<u2"), bits_stored=10)
    return made


def photograph(
    series: SeriesPlan, number: int, size_px: int = 256, syntax: str = ExplicitVRLittleEndian
) -> FileDataset:
    """A colour secondary capture, RGB by pixel."""
    made = new_object(series, SecondaryCaptureImageStorage, number, syntax)
    made.ConversionType = "DV"
    made.PatientOrientation = ""
    made.ContentDate, made.ContentTime = made.StudyDate, made.StudyTime
    grey = phantom(size_px, 0.4, seed=5, noise=0.0)
    colours = np.stack([grey * 255, grey * 190, (1 - grey) * 120], axis=-1).astype(np.uint8)
    made.SamplesPerPixel, made.PhotometricInterpretation, made.PlanarConfiguration = 3, "RGB", 0
    made.Rows, made.Columns = size_px, size_px
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    _pixels(made, colours)
    return made
