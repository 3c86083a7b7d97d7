"""Radiotherapy objects that refer to a CT series: structure set, plan, dose."""

from collections.abc import Sequence

import numpy as np
from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import RTDoseStorage, RTPlanStorage, RTStructureSetStorage

from appliance.demo.objects import SeriesPlan, item, items, new_object, reference

STUDY_COMPONENT_MANAGEMENT = "1.2.840.10008.3.1.2.3.1"  # retired, still the class to name here (PS3.3 C.8.8.5)


def _circle(centre_mm: tuple[float, float], radius_mm: float, z_mm: float, points: int = 48) -> list[str]:
    angles = np.linspace(0.0, 2.0 * np.pi, points, endpoint=False)
    corners = ((centre_mm[0] + radius_mm * np.cos(a), centre_mm[1] + radius_mm * np.sin(a)) for a in angles)
    return [f"{value:.2f}" for x, y in corners for value in (x, y, z_mm)]


def structure_set(series: SeriesPlan, images: Sequence[Dataset]) -> FileDataset:
    """An RT Structure Set with the body outline and a target volume, contoured on every slice."""
    made = new_object(series, RTStructureSetStorage, 1)
    made.OperatorsName = ""
    made.FrameOfReferenceUID = series.frame_of_reference_uid
    made.PositionReferenceIndicator = ""
    made.StructureSetLabel, made.StructureSetName = "PLANNING", "Planning"
    made.StructureSetDate, made.StructureSetTime = made.StudyDate, made.StudyTime
    contour_images = items(*(reference(image) for image in images))
    image_series = item(SeriesInstanceUID=images[0].SeriesInstanceUID, ContourImageSequence=contour_images)
    study = item(
        ReferencedSOPClassUID=STUDY_COMPONENT_MANAGEMENT,
        ReferencedSOPInstanceUID=made.StudyInstanceUID,
        RTReferencedSeriesSequence=items(image_series),
    )
    frame = item(FrameOfReferenceUID=series.frame_of_reference_uid, RTReferencedStudySequence=items(study))
    made.ReferencedFrameOfReferenceSequence = items(frame)
    regions = [(1, "BODY", "EXTERNAL", (0.0, 0.0), 95.0), (2, "PTV", "PTV", (20.0, -10.0), 22.0)]
    made.StructureSetROISequence = items(
        *(
            item(
                ROINumber=number,
                ReferencedFrameOfReferenceUID=series.frame_of_reference_uid,
                ROIName=name,
                ROIGenerationAlgorithm="AUTOMATIC",
            )
            for number, name, _, _, _ in regions
        )
    )
    made.ROIContourSequence = items(
        *(
            item(
                ReferencedROINumber=number,
                ROIDisplayColor=[255, 80 * number, 0],
                ContourSequence=items(*(_contour(image, centre, radius) for image in images)),
            )
            for number, _, _, centre, radius in regions
        )
    )
    made.RTROIObservationsSequence = items(
        *(
            item(ObservationNumber=number, ReferencedROINumber=number, RTROIInterpretedType=kind, ROIInterpreter="")
            for number, _, kind, _, _ in regions
        )
    )
    return made


def _contour(image: Dataset, centre_mm: tuple[float, float], radius_mm: float) -> Dataset:
    data = _circle(centre_mm, radius_mm, float(image.ImagePositionPatient[2]))
    return item(
        ContourImageSequence=items(reference(image)),
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(data) // 3,
        ContourData=data,
    )


def plan(series: SeriesPlan, structures: Dataset) -> FileDataset:
    """An RT Plan of one static photon beam in 30 fractions."""
    made = new_object(series, RTPlanStorage, 1)
    made.OperatorsName = ""
    made.RTPlanLabel, made.RTPlanName = "PLAN1", "Plan 1"
    made.RTPlanDate, made.RTPlanTime = made.StudyDate, made.StudyTime
    made.RTPlanGeometry = "PATIENT"
    made.FrameOfReferenceUID = series.frame_of_reference_uid
    made.PositionReferenceIndicator = ""
    made.ReferencedStructureSetSequence = items(reference(structures))
    made.PatientSetupSequence = items(item(PatientSetupNumber=1, PatientPosition="HFS"))
    made.FractionGroupSequence = items(
        item(
            FractionGroupNumber=1,
            NumberOfFractionsPlanned=30,
            NumberOfBeams=1,
            NumberOfBrachyApplicationSetups=0,
            ReferencedBeamSequence=items(item(ReferencedBeamNumber=1, BeamDose=2.0, BeamMeterset=210.0)),
        )
    )
    made.BeamSequence = items(_beam())
    made.ApprovalStatus = "UNAPPROVED"
    return made


def _beam() -> Dataset:
    jaws = [("X", [-50.0, 50.0]), ("Y", [-50.0, 50.0])]
    first = item(
        ControlPointIndex=0,
        NominalBeamEnergy=6,
        DoseRateSet=400,
        BeamLimitingDevicePositionSequence=items(
            *(item(RTBeamLimitingDeviceType=kind, LeafJawPositions=span) for kind, span in jaws)
        ),
        GantryAngle=0,
        GantryRotationDirection="NONE",
        BeamLimitingDeviceAngle=0,
        BeamLimitingDeviceRotationDirection="NONE",
        PatientSupportAngle=0,
        PatientSupportRotationDirection="NONE",
        TableTopEccentricAngle=0,
        TableTopEccentricRotationDirection="NONE",
        TableTopVerticalPosition=None,
        TableTopLongitudinalPosition=None,
        TableTopLateralPosition=None,
        IsocenterPosition=[20.0, -10.0, 20.0],
        SourceToSurfaceDistance=900.0,
        CumulativeMetersetWeight=0,
    )
    return item(
        BeamNumber=1,
        BeamName="AP",
        BeamDescription="anterior",
        BeamType="STATIC",
        RadiationType="PHOTON",
        TreatmentMachineName="LINAC1",
        Manufacturer="Firn Instruments",
        ManufacturerModelName="Icefall",
        PrimaryDosimeterUnit="MU",
        SourceAxisDistance=1000.0,
        BeamLimitingDeviceSequence=items(
            *(item(RTBeamLimitingDeviceType=kind, NumberOfLeafJawPairs=1) for kind, _ in jaws)
        ),
        ReferencedPatientSetupNumber=1,
        TreatmentDeliveryType="TREATMENT",
        NumberOfWedges=0,
        NumberOfCompensators=0,
        NumberOfBoli=0,
        NumberOfBlocks=0,
        FinalCumulativeMetersetWeight=1,
        NumberOfControlPoints=2,
        ControlPointSequence=items(first, item(ControlPointIndex=1, CumulativeMetersetWeight=1)),
    )


def dose(series: SeriesPlan, treatment: Dataset, planes: int, size_px: int = 64) -> FileDataset:
    """An RT Dose grid of 16-bit values around the target, multi-frame, 60 Gy at most."""
    made = new_object(series, RTDoseStorage, 1)
    made.OperatorsName = ""
    made.ContentDate, made.ContentTime = made.StudyDate, made.StudyTime
    made.FrameOfReferenceUID = series.frame_of_reference_uid
    made.PositionReferenceIndicator = ""
    made.ImagePositionPatient = [-125.0, -125.0, 0.0]
    made.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    made.PixelSpacing = [round(250.0 / size_px, 6)] * 2
    made.SliceThickness = None
    made.NumberOfFrames = planes
    made.FrameIncrementPointer = 0x3004000C
    made.GridFrameOffsetVector = [2.5 * plane for plane in range(planes)]
    made.DoseUnits, made.DoseType, made.DoseSummationType = "GY", "PHYSICAL", "PLAN"
    made.DoseGridScaling = "0.001"
    made.TissueHeterogeneityCorrection = ["IMAGE"]
    made.ReferencedRTPlanSequence = items(reference(treatment))
    axis = np.linspace(-125.0, 125.0, size_px)
    x, y = np.meshgrid(axis, axis)
    depth = np.linspace(-1.0, 1.0, planes)[:, None, None]
    grid = 60_000 * np.exp(-((x - 20.0) ** 2 + (y + 10.0) ** 2)[None] / 2_500.0 - depth**2)
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.Rows, made.Columns = size_px, size_px
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 16, 16, 15, 0
    made.add_new("PixelData", "OW", grid.astype("<u2").tobytes())
    return made
