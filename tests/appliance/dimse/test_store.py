"""C-STORE: what is answered, and what is in the archive then."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID
from pynetdicom import AE, _config

from appliance.dimse.commands import Code, Field
from hsm.archive import Archive
from hsm.catalog import CatalogUnavailable
from hsm.header import HeaderInvalid, read_header
from hsm.pool import SENTINEL, OnlinePool
from tests.appliance.dimse.conftest import Node
from tests.appliance.dimse.raw import EXPLICIT, IMPLICIT, STUDY_FIND, VERIFICATION
from tests.hsm.objects import CT, dataset, files_of_pydicom, part10, stored_data_set

MR = "1.2.840.10008.5.1.4.1.1.4"


def leftovers(node: Node) -> list[Path]:
    return [path for folder in node.archive.pool.directories for path in (folder / ".incoming").iterdir()]


def test_an_echo_is_answered(node: Node) -> None:
    with node.peer((VERIFICATION, IMPLICIT)) as peer:
        fields: dict[Field, int | str] = {
            Field.AFFECTED_SOP_CLASS: VERIFICATION,
            Field.COMMAND: Code.C_ECHO,
            Field.MESSAGE_ID: 5,
        }
        peer.command(1, fields)
        answer, _ = peer.next()
        assert (answer.code, answer.number(Field.STATUS), answer.number(Field.RESPONDED_ID)) == (0x8030, 0, 5)
        assert peer.release() == 6


def test_an_object_that_is_too_large_is_refused_while_it_arrives(start: Callable[..., Node]) -> None:
    node = start(max_object_bytes=20_000)
    big, small = dataset(SOPInstanceUID="1.2.9"), dataset(SOPInstanceUID="1.2.8")
    big.EncapsulatedDocument = bytes(2 * 20_000)
    ae = AE("CT1")
    ae.add_requested_context(CT, [UID(EXPLICIT)])
    association = ae.associate("127.0.0.1", node.server.port)
    for one in (big, small):
        one.file_meta = FileMetaDataset()
        one.file_meta.TransferSyntaxUID = UID(EXPLICIT)
    answer = association.send_c_store(big)
    assert (answer.Status, answer.ErrorComment) == (0xC112, "larger than 20000 bytes, which is the limit here")
    assert association.send_c_store(small).Status == 0, "the association goes on"
    association.release()
    assert leftovers(node) == []


def test_every_object_that_pydicom_ships_is_kept_byte_for_byte_as_it_was_sent(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)  # the foreign sender must not re-encode either
    monkeypatch.setattr(_config, "ALLOW_LONG_DIMSE_AET", True, raising=False)
    objects: dict[str, Path] = {}
    combinations: set[tuple[str, str]] = set()
    for path in files_of_pydicom():
        with path.open("rb") as stream:
            try:
                header = read_header(stream).header
            except HeaderInvalid:
                continue
        if header.sop_instance_uid not in objects:
            objects[header.sop_instance_uid] = path
            combinations.add((header.sop_class_uid, header.transfer_syntax_uid))
    ae = AE("SENDER")
    for sop_class, syntax in sorted(combinations):
        ae.add_requested_context(UID(sop_class), [UID(syntax)])
    association = ae.associate("127.0.0.1", node.server.port)
    assert association.is_established
    sent = 0
    for path in objects.values():
        if pydicom.dcmread(path, specific_tags=[]).file_meta.get("MediaStorageSOPInstanceUID") is None:
            continue
        status = association.send_c_store(path)
        if status.Status == 0xA900:
            assert "differs" in status.ErrorComment, path.name  # its file meta names another object
            continue
        assert status.Status == 0x0000, (path.name, status)
        sent += 1
    association.release()
    kept = 0
    for uid, path in objects.items():
        if node.archive.catalog.intake.find(uid) is not None:
            data, syntax = node.stored(uid)
            whole = path.read_bytes()
            assert data == stored_data_set(whole), path.name
            assert syntax == pydicom.dcmread(path, specific_tags=[]).file_meta.TransferSyntaxUID
            kept += 1
    assert kept == sent > 100
    assert leftovers(node) == []


@pytest.mark.parametrize(
    ("content", "announced", "status", "words"),
    [
        (dataset(), "1.2.3.4", 0x0000, ""),
        (dataset(PatientName="Other"), "1.2.3.4", 0xC111, "another content"),
        (dataset(StudyInstanceUID="1.9"), "1.2.3.4", 0xC111, "catalogued in series"),
        (dataset(SOPInstanceUID="1.2.3.5"), "1.2.3.6", 0xA900, "differs"),
        (dataset(SOPClassUID=MR, SOPInstanceUID="1.2.3.5"), "1.2.3.5", 0xA900, "differs"),
        (dataset(StudyInstanceUID=None, SOPInstanceUID="1.2.3.5"), "1.2.3.5", 0xC000, "no Study Instance UID"),
        (dataset(SOPInstanceUID="1.2.3.5"), "../1.2.3.5", 0xC000, "not a UID"),
    ],
)
def test_each_refusal_has_its_status_and_its_words(
    node: Node, content: Any, announced: str, status: int, words: str
) -> None:
    node.receive(part10(dataset()))
    with node.peer((CT, EXPLICIT)) as peer:
        answered, comment = peer.store(CT, announced, stored_data_set(part10(content)))
        assert answered == status
        assert words in comment
        assert len(comment) <= 64
        again = dataset(SOPInstanceUID="1.2.3.9")  # the association goes on
        assert peer.store(CT, "1.2.3.9", stored_data_set(part10(again)))[0] == 0
    assert leftovers(node) == []


def test_a_truncated_data_set_is_not_understood_and_kept_in_quarantine(node: Node, tmp_path: Path) -> None:
    content = stored_data_set(part10(dataset()))
    with node.peer((CT, EXPLICIT)) as peer:
        status, comment = peer.store(CT, "1.2.3.4", content[:-1])
    assert (status, "truncated" in comment) == (0xC000, True)
    kept = list((tmp_path / "quarantine").iterdir())
    assert [path.read_bytes()[-len(content) + 1 :] for path in kept] == [content[:-1]]


def test_a_store_without_a_data_set_or_in_a_foreign_context_is_refused(node: Node) -> None:
    content = stored_data_set(part10(dataset()))
    with node.peer((CT, EXPLICIT), (STUDY_FIND, EXPLICIT)) as peer:
        assert peer.store(CT, "1.2.3.4", None) == (0xC000, "no data set was sent")
        assert peer.store(MR, "1.2.3.4", content)[0] == 0xA900
        assert peer.store(CT, "1.2.3.4", content, context_id=3)[0] == 0x0211
        assert peer.store(CT, "1.2.3.4", content)[0] == 0


def test_small_fragments_arrive_whole(start: Callable[..., Node]) -> None:
    node = start(max_pdu_bytes=2048)
    made = dataset()
    made.add_new(0x7FE00010, "OW", bytes(range(256)) * 100)
    content = stored_data_set(part10(made))
    with node.peer((CT, EXPLICIT)) as peer:
        assert peer.store(CT, "1.2.3.4", content)[0] == 0
    assert node.stored("1.2.3.4")[0] == content


def test_no_room_no_pool_and_no_catalog_mean_try_again_later(
    start: Callable[..., Node], node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = stored_data_set(part10(dataset()))
    pool = node.archive.pool
    full = Archive(
        node.archive.catalog, OnlinePool(pool.directories, 1 << 60, pool.quarantine_folder), node.archive.clock
    )
    with start(full).peer((CT, EXPLICIT)) as peer:
        status, comment = peer.store(CT, "1.2.3.4", content)
        assert (status, "free" in comment) == (0xA700, True)

    def away(*_args: Any) -> Any:
        raise CatalogUnavailable("the catalog's database does not answer")

    with monkeypatch.context() as patched, node.peer((CT, EXPLICIT)) as peer:
        patched.setattr(node.archive.catalog.intake, "record", away)
        assert peer.store(CT, "1.2.3.4", content)[0] == 0xA700
    with monkeypatch.context() as patched, node.peer((CT, EXPLICIT)) as peer:
        patched.setattr("hsm.receive.Arriving.write", lambda *_: (_ for _ in ()).throw(OSError(28, "no space")))
        assert peer.store(CT, "1.2.3.4", content)[0] == 0xA700
    sentinel = pool.directories[0] / SENTINEL
    sentinel.rename(sentinel.with_suffix(".away"))
    with node.peer((CT, EXPLICIT)) as peer:
        assert peer.store(CT, "1.2.3.4", content)[0] == 0xA700
        sentinel.with_suffix(".away").rename(sentinel)
        assert peer.store(CT, "1.2.3.4", content)[0] == 0
    assert leftovers(node) == []


def test_private_classes_and_syntaxes_are_taken_where_that_is_allowed(start: Callable[..., Node]) -> None:
    private_class, private_syntax = "1.3.12.2.1107.5.9.1", "1.2.826.0.1.3680043.2.494.1.1"
    content = stored_data_set(part10(dataset(SOPClassUID=private_class)))
    node = start(unrestricted_storage=True)
    with node.peer((private_class, EXPLICIT), (CT, private_syntax)) as peer:
        assert set(peer.contexts) == {1, 3}
        assert peer.store(private_class, "1.2.3.4", content)[0] == 0
        other = stored_data_set(part10(dataset(SOPInstanceUID="1.2.3.5")))
        assert peer.store(CT, "1.2.3.5", other, context_id=3)[0] == 0
    assert node.stored("1.2.3.5") == (other, private_syntax)
    strict = start(node.archive)
    with strict.peer((private_class, EXPLICIT), (CT, private_syntax), (CT, EXPLICIT)) as peer:
        assert set(peer.contexts) == {5}
