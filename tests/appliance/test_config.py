"""What a person who writes firn.toml sees."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from appliance.config import Config, ConfigInvalid, Fault, Severity, check, demo_config, load
from appliance.config.schema import VolumePoolEntry
from appliance.config.sources import FILE_VARIABLE

Written = Callable[[str], Path]

LIBRARY = '[[library]]\nname = "tape"\ndriver = "simulator"\npath = "lib"\n'
POOL = '[[volume_pool]]\nname = "a"\nkind = "tape"\nlibrary = "tape"\nbarcodes = ["A*"]\n'
PEER = '[[peer]]\nae_title = "WS1"\nhost = "192.0.2.1"\n'


@pytest.fixture
def written(tmp_path: Path) -> Written:
    def write(text: str) -> Path:
        path = tmp_path / "firn.toml"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def only(faults: list[Fault]) -> Fault:
    assert len(faults) == 1, "\n".join(map(str, faults))
    return faults[0]


def test_an_empty_file_means_the_defaults(written: Written) -> None:
    config = load(written(""), {})
    assert config == Config()
    assert config.catalog_url == "sqlite:////var/lib/firn/catalog.db"
    assert config.online_directories == (Path("/var/lib/firn/online"),)
    assert config.policy_file is None


def test_the_file_and_the_environment_are_put_together(written: Written) -> None:
    path = written('[dicom]\nport = 104\nae_title = " ARCHIVE "\n[archive]\ndata_dir = "/srv/firn"\n')
    environ = {
        "FIRN_DICOM__PORT": "4242",
        "FIRN_DICOM__ACCEPT_UNKNOWN_SOP_CLASSES": "Yes",
        "FIRN_ONLINE__DIRECTORIES": '["one", "/two"]',
        "FIRN_ONLINE__HIGH_WATER_PCT": "90.5",
        "FIRN_CATALOG__URL": "postgresql+psycopg://firn@db/firn",
        "FIRN_ARCHIVE__DATA_DIR": "/srv/other",
        "HOME": "/root",
    }
    config = load(path, environ)
    assert (config.dicom.ae_title, config.dicom.port) == ("ARCHIVE", 4242)
    assert config.dicom.accept_unknown_sop_classes is True
    assert config.online_directories == (Path("/srv/other/one"), Path("/two"))
    assert config.online.high_water_pct == 90.5
    assert config.catalog_url == "postgresql+psycopg://firn@db/firn"


def test_an_array_of_tables_can_come_from_the_environment(written: Written) -> None:
    environ = {"FIRN_PEER": '[{"ae_title": "WS2", "host": "192.0.2.2", "port": 11113, "recall_patience_s": 5}]'}
    config = load(written(PEER), environ)
    assert [(peer.ae_title, peer.port) for peer in config.peers] == [("WS2", 11113)]
    assert config.patience_s("WS2 ") == 5
    assert config.patience_s("WS1") == 600


def test_the_file_is_found_through_the_environment(written: Written, tmp_path: Path) -> None:
    assert load(None, {"FIRN_CONFIG": str(written("[web]\nport = 81\n"))}).web.port == 81
    fault = only(check(None, {"FIRN_CONFIG": str(tmp_path / "gone.toml")}))
    assert fault.where == str(tmp_path / "gone.toml")
    assert "No such file" in fault.wrong


def test_without_any_file_the_defaults_hold() -> None:
    assert load(None, {}) == Config()
    assert only(check(None, {"FIRN_WEB__PORT": "0"})).where == "FIRN_WEB__PORT"


def test_all_faults_come_at_once(written: Written) -> None:
    path = written(
        '[dicom]\nprot = 1\nae_title = "A\\\\B"\n[onlin]\n[online]\nlow_water_pct = 90\n[pack]\nmax_bytes = "16 GiB"\n'
    )
    environ = {"FIRN_WEB__PORT": "0", "FIRN_WEB__TREADS": "4", "FIRN_LOG__LEVEL": "loud"}
    with pytest.raises(ConfigInvalid) as caught:
        load(path, environ)
    assert {(fault.where, fault.key) for fault in caught.value.faults} == {
        (f"{path}:2", "dicom.prot"),
        (f"{path}:3", "dicom.ae_title"),
        (f"{path}:4", "onlin"),
        (f"{path}:6", "online.low_water_pct"),
        (f"{path}:8", "pack.max_bytes"),
        ("FIRN_WEB__PORT", "web.port"),
        ("FIRN_WEB__TREADS", "web.treads"),
        ("FIRN_LOG__LEVEL", "log.level"),
    }
    assert str(caught.value).startswith("The configuration has 8 faults:\n")
    assert all(fault.wrong and fault.remedy for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("text", "key", "remedy"),
    [
        ("[dicom]\nae = 1\n", "dicom.ae", "nearest known key is dicom.ae_title"),
        ("[dicom]\nthreads = 1\n", "dicom.threads", "belongs to [web]"),
        ("[web]\nzzz = 1\n", "web.zzz", "[web] knows host, port, threads"),
        ("[libraries]\n", "libraries", "nearest known section is [library]"),
        ("ae_title = 1\n", "ae_title", "write it below [dicom]"),
        ("[zzz]\n", "zzz", "known sections are archive, catalog"),
        (PEER + "prot = 1\n", "peer[1].prot", "nearest known key is peer.port"),
    ],
)
def test_an_unknown_key_is_refused_with_the_nearest_one(written: Written, text: str, key: str, remedy: str) -> None:
    fault = only(check(written(text), {}))
    assert fault.key == key
    assert remedy in fault.remedy


@pytest.mark.parametrize(
    ("variable", "value", "key", "said"),
    [
        ("FIRN_DICOM__PROT", "1", "dicom.prot", "nearest known key is dicom.port"),
        ("FIRN_DICON__PORT", "1", "dicon.port", "nearest known section is [dicom]"),
        ("FIRN_PORT", "1", "port", "write it below"),
        ("FIRN_WEB", "{}", "web", "FIRN_WEB__HOST"),
        ("FIRN_PEER__0__PORT", "1", "peer.0__port", "as JSON in FIRN_PEER"),
        ("FIRN_PEER", "WS1", "peer", "JSON list of objects"),
        ("FIRN_WEB__PORT", "eighty", "web.port", "give a whole number"),
        ("FIRN_WEB__PORT", "8080.5", "web.port", "whole number"),
        ("FIRN_DICOM__ACCEPT_ANY_CALLED_AET", "maybe", "dicom.accept_any_called_aet", "true or false"),
        ("FIRN_ONLINE__DIRECTORIES", "/a:/b", "online.directories", "JSON"),
        ("FIRN_ARCHIVE__DATA_DIR", "here", "archive.data_dir", "absolute"),
    ],
)
def test_a_wrong_variable_is_named(written: Written, variable: str, value: str, key: str, said: str) -> None:
    fault = only(check(written(""), {variable: value}))
    assert (fault.where, fault.key) == (variable, key)
    assert said in fault.remedy


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("[dicom]\nport = 70000\n", "dicom.port", "1 to 65535"),
        ("[dicom]\nport = true\n", "dicom.port", "1 to 65535"),
        ('[dicom]\nae_title = "SEVENTEEN_LETTERS"\n', "dicom.ae_title", "1 to 16 characters"),
        ('[dicom]\nae_title = "  "\n', "dicom.ae_title", "1 to 16 characters"),
        ('[dicom]\nae_title = "ÄRZTE"\n', "dicom.ae_title", "ASCII"),
        ('[dicom]\non_conflict = "ignore"\n', "dicom.on_conflict", '"quarantine" or "replace"'),
        ("[online]\ndirectories = []\n", "online.directories", "not empty"),
        ("[online]\ndirectories = [3]\n", "online.directories[1]", "list of texts"),
        ("[peer]\nport = 1\n", "peer", "[[peer]]"),
        ("web = 8080\n", "web", "begin the section with [web]"),
        ('[[peer]]\nae_title = "A"\n', "peer[1].host", "add host = ..."),
        ("[policy]\ntick_every_s = 0\n", "policy.tick_every_s", "in seconds"),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(written: Written, text: str, key: str, said: str) -> None:
    fault = next(fault for fault in check(written(text), {}) if fault.key == key)
    assert said in fault.remedy


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"[dicom\nport = 1", "not TOML"), (b"[dicom]\nae_title = '\xff'", "not UTF-8")],
)
def test_an_unreadable_file_does_not_hide_wrong_variables(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "firn.toml"
    path.write_bytes(content)
    faults = check(path, {"FIRN_WEB__PORT": "0"})
    assert [fault.where for fault in faults] == [str(path), "FIRN_WEB__PORT"]
    assert said in faults[0].wrong


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("[online]\nlow_water_pct = 85\n", "online.low_water_pct", "not below"),
        ('[online]\ndirectories = ["a", "/var/lib/firn/a"]\n', "online.directories", "twice"),
        ('[online]\ndirectories = ["a", "a/b"]\n', "online.directories", "in each other"),
        (PEER + PEER, "peer[2].ae_title", "entry 1"),
        (LIBRARY + LIBRARY, "library[2].name", "entry 1"),
        (LIBRARY + POOL + POOL, "volume_pool[2].name", "entry 1"),
        (LIBRARY + POOL + POOL.replace('"a"', '"b"'), "volume_pool[2].barcodes", "pool 'a'"),
        (POOL, "volume_pool[1].library", "configured: none"),
        ("[web]\nport = 11112\n", "web.port", "dicom.port"),
        ('[web]\nhost = "0.0.0.0"\nport = 11112\n', "web.port", "dicom.port"),
        ('[web]\nhost = "::"\nport = 11112\n', "web.port", "dicom.port"),
        ("[pack]\nmax_bytes = 4000000000\n", "dicom.max_object_bytes", "pack.max_bytes"),
        ("[engine]\nretry_max_s = 5\n", "engine.retry_first_s", "30 s is longer"),
        ('[catalog]\nurl = "mysql://db"\n', "catalog.url", "'mysql'"),
        ('[policy]\nfile = "none.policy"\n', "policy.file", "/var/lib/firn/none.policy"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(written: Written, text: str, key: str, said: str) -> None:
    fault = only(check(written(text), {}))
    assert fault.key == key
    assert said in fault.wrong
    assert fault.remedy
    with pytest.raises(ConfigInvalid):
        load(written(text), {})


@pytest.mark.parametrize(
    "text",
    [
        '[catalog]\nurl = "sqlite:////srv/catalog.db"\n',
        '[catalog]\nurl = "postgresql://db/firn"\n',
        '[catalog]\nurl = "postgresql+psycopg://firn@db/firn"\n',
        "[engine]\nretry_first_s = 60\nretry_max_s = 60\n",
        "[pack]\nmax_bytes = 8589934592\n",
        "[online]\nhigh_water_pct = 75.5\n",
        '[online]\ndirectories = ["a", "ab"]\n',
    ],
)
def test_settings_that_only_just_fit_are_accepted(written: Written, text: str) -> None:
    assert check(written(text), {}) == []


def test_the_same_port_on_two_addresses_is_allowed(written: Written) -> None:
    text = '[web]\nhost = "192.0.2.1"\nport = 11112\n'
    assert check(written(text), {}) == []


def test_packs_larger_than_a_disc_are_a_note_and_no_fault(written: Written) -> None:
    path = written(LIBRARY + POOL.replace('"tape"\nlib', '"disc"\nlib'))
    note = only(check(path, {}))
    assert (note.severity, note.key) == (Severity.NOTE, "pack.max_bytes")
    assert "note: " in str(note)
    assert load(path, {}).volume_pools[0].kind == "disc"


def test_a_contradiction_points_at_its_line(written: Written) -> None:
    path = written(
        LIBRARY + POOL + POOL.replace('"a"', '"b"').replace("A*", "B*").replace('"tape"\nbar', '"disc"\nbar')
    )
    assert only(check(path, {})).where == f"{path}:13"


def test_a_named_policy_file_is_found_beside_the_data(written: Written, tmp_path: Path) -> None:
    (tmp_path / "my.policy").write_text("")
    path = written(f'[archive]\ndata_dir = "{tmp_path}"\n[policy]\nfile = "my.policy"\n')
    assert load(path, {}).policy_file == tmp_path / "my.policy"


def test_a_loaded_configuration_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        Config().dicom.port = 1  # type: ignore[misc]


def test_the_reserve_is_the_smaller_of_part_and_amount() -> None:
    pool = VolumePoolEntry(name="a", kind="tape", library="tape", barcodes=("A*",))
    assert pool.reserve_bytes(12_000_000_000_000) == 5 * 1024**3
    assert pool.reserve_bytes(100_000_000) == 2_000_000


def test_the_demo_keeps_everything_below_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = demo_config(Path("var"))
    assert config.archive.data_dir == tmp_path / "var"
    assert {library.name for library in config.libraries} == {pool.library for pool in config.volume_pools}
    for path in (*config.online_directories, *(config.resolve(library.path) for library in config.libraries)):
        assert path.is_relative_to(tmp_path / "var")


def test_the_demo_passes_the_checks_of_a_real_appliance(tmp_path: Path) -> None:
    from appliance.config.cross import CHECKS

    config = demo_config(tmp_path)
    assert [found for _, contradictions in CHECKS for found in contradictions(config)] == []


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=8), st.recursive(st.none() | st.text(max_size=8), st.lists), max_size=4))
def test_no_environment_makes_the_check_itself_fail(values: dict[str, object]) -> None:
    environ = {f"FIRN_{name.upper()}": str(value) for name, value in values.items()}
    settings_said = environ.keys() - {FILE_VARIABLE}
    assert len(check(Path("/dev/null"), environ)) >= len(settings_said)


@settings(max_examples=40)
@given(
    st.sampled_from(["", "port", "[dicom]", "[[peer]]", "[peer]", "[online]"]),
    st.sampled_from(
        ["", "port = 1", "directories = 1", "peer = []", "dicom = 'x'", "host = {a = 1}", "x.y = 1979-05-27"]
    ),
)
def test_no_file_makes_the_check_itself_fail(tmp_path_factory: pytest.TempPathFactory, first: str, second: str) -> None:
    path = tmp_path_factory.mktemp("config") / "firn.toml"
    path.write_text(f"{first}\n{second}\n")
    for fault in check(path, {}):
        assert fault.where.startswith(str(path))


def test_what_drivers_say_to_their_options_is_found_by_a_check(written: Written) -> None:
    path = written(
        LIBRARY
        + "options = {time_scale = 0, spede = 1}\n"
        + '[[library]]\nname = "b"\ndriver = "simulater"\npath = "b"\n'
        + '[[library]]\nname = "c"\ndriver = "simulator"\n'
    )
    load(path, {})  # commands that open no library do not ask drivers
    faults = {fault.key: fault for fault in check(path, {})}
    assert set(faults) == {
        "library[1].options.time_scale",
        "library[1].options.spede",
        "library[2].driver",
        "library[3].path",
    }
    assert "at least 0.001" in faults["library[1].options.time_scale"].remedy
    assert faults["library[1].options.time_scale"].where.endswith(("firn.toml:1", "firn.toml:5"))
    assert "'simulator'" in faults["library[2].driver"].remedy
    assert "firn library create" in faults["library[3].path"].remedy
    assert all(fault.severity is Severity.FAULT for fault in faults.values())


def test_a_driver_that_cannot_be_loaded_is_a_fault(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = tmp_path / "site" / "broken-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[firn.drivers]\nbroken = no_such_module_at_all:Kind\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    fault = only(check(written(LIBRARY.replace("simulator", "broken")), {}))
    assert fault.key == "library[1].driver"
    assert "no_such_module_at_all" in fault.wrong
