"""Objects without pixels: a structured report and an encapsulated PDF."""

from collections.abc import Sequence

from pydicom.dataset import Dataset, FileDataset
from pydicom.uid import ComprehensiveSRStorage, EncapsulatedPDFStorage

from appliance.demo.objects import SeriesPlan, code, item, items, new_object, reference

FINDINGS = (
    "Compared with last winter the snow has settled. No new layer, no crack.",
    "Größe unverändert, kein Erguss.",
)


def report(series: SeriesPlan, number: int, images: Sequence[Dataset], lines: Sequence[str] = FINDINGS) -> FileDataset:
    """A Comprehensive SR with a finding for each line and a reference to the first image."""
    made = new_object(series, ComprehensiveSRStorage, number)
    made.ReferencedPerformedProcedureStepSequence = items()
    made.ContentDate, made.ContentTime = made.StudyDate, made.StudyTime
    made.CompletionFlag, made.VerificationFlag = "COMPLETE", "UNVERIFIED"
    made.PerformedProcedureCodeSequence = items()
    made.ValueType, made.ContinuityOfContent = "CONTAINER", "SEPARATE"
    made.ConceptNameCodeSequence = items(code("18748-4", "LN", "Diagnostic imaging report"))
    contents = [
        item(
            RelationshipType="CONTAINS",
            ValueType="TEXT",
            ConceptNameCodeSequence=items(code("121071", "DCM", "Finding")),
            TextValue=line,
        )
        for line in lines
    ]
    if images:
        contents.append(
            item(
                RelationshipType="CONTAINS",
                ValueType="IMAGE",
                ConceptNameCodeSequence=items(code("121112", "DCM", "Source of Measurement")),
                ReferencedSOPSequence=items(reference(images[0])),
            )
        )
        seen = item(
            StudyInstanceUID=images[0].StudyInstanceUID,
            ReferencedSeriesSequence=items(
                item(SeriesInstanceUID=images[0].SeriesInstanceUID, ReferencedSOPSequence=items(reference(images[0])))
            ),
        )
        made.CurrentRequestedProcedureEvidenceSequence = items(seen)
    made.ContentSequence = items(*contents)
    return made


def pdf_bytes(lines: Sequence[str]) -> bytes:
    """A one-page PDF with these lines, in the Latin-1 range. Source: ISO 32000-1, 7.5."""
    shown = "\n".join(f"({_escaped(line)}) Tj T*" for line in lines)
    content = f"BT /F1 14 Tf 18 TL 60 780 Td\n{shown}\nET".encode("latin-1")
    bodies = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources <</Font <</F1 5 0 R>>>>>>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    document = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = len(document)
    document += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    document += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    document += b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(bodies) + 1, table)
    return bytes(document)


def _escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def encapsulated_pdf(series: SeriesPlan, number: int, title: str, lines: Sequence[str] = FINDINGS) -> FileDataset:
    """A PDF inside a DICOM object."""
    made = new_object(series, EncapsulatedPDFStorage, number)
    made.ConversionType = "WSD"
    made.ContentDate, made.ContentTime = made.StudyDate, made.StudyTime
    made.AcquisitionDateTime = f"{made.StudyDate}{made.StudyTime}"
    made.BurnedInAnnotation = "NO"
    made.DocumentTitle = title
    made.ConceptNameCodeSequence = items(code("18748-4", "LN", "Diagnostic imaging report"))
    made.MIMETypeOfEncapsulatedDocument = "application/pdf"
    document = pdf_bytes((title, "", *lines))
    made.EncapsulatedDocumentLength = len(document)
    made.EncapsulatedDocument = document + b"\0" * (len(document) % 2)
    return made
