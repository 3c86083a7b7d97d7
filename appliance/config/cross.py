"""What the schema cannot say about one key alone: settings that contradict each other.

Each check is a pure function from a configuration to its faults and names the sections it reads, so that it is left
out when one of them could not be understood. All that is asked of the outside is whether files exist that are named.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from appliance.config.faults import Severity
from appliance.config.schema import Config

DVD_BYTES = 4_700_372_992  # DVD+R
BD_BYTES = 25_025_314_816  # BD-R without defect management


@dataclass(frozen=True)
class Contradiction:
    """A fault before it is known where its key was written."""

    location: tuple[str | int, ...]
    wrong: str
    remedy: str
    severity: Severity = Severity.FAULT


Check = Callable[[Config], Iterable[Contradiction]]
Checked = tuple[frozenset[str], Check]  # the sections a check reads, and the check


def water_marks(config: Config) -> Iterator[Contradiction]:
    """Releasing has to stop below the mark where it starts."""
    low, high = config.online.low_water_pct, config.online.high_water_pct
    if low >= high:
        wrong = f"{low:g} % is not below online.high_water_pct ({high:g} %)"
        yield Contradiction(("online", "low_water_pct"), wrong, "set it lower, 10 points are usual")


def pool_directories(config: Config) -> Iterator[Contradiction]:
    """Each folder of the pool is its own."""
    seen: list[PurePath] = []
    for directory in config.online_directories:
        for other in seen:
            if directory == other:
                yield Contradiction(("online", "directories"), f"{directory} is named twice", "name each folder once")
            elif directory.is_relative_to(other) or other.is_relative_to(directory):
                wrong = f"{directory} and {other} lie in each other"
                yield Contradiction(("online", "directories"), wrong, "use folders side by side")
        seen.append(directory)


def unique_names(config: Config) -> Iterator[Contradiction]:
    """A name means one thing."""
    groups = (
        ("peer", "ae_title", [peer.ae_title for peer in config.peers]),
        ("library", "name", [library.name for library in config.libraries]),
        ("volume_pool", "name", [pool.name for pool in config.volume_pools]),
    )
    for section, key, names in groups:
        for index, name in enumerate(names):
            if name in names[:index]:
                wrong = f"{name!r} is already the {key} of entry {names.index(name) + 1}"
                yield Contradiction((section, index, key), wrong, "give each entry its own")


def pools_have_libraries(config: Config) -> Iterator[Contradiction]:
    """A pool's volumes live in a library that exists."""
    names = [library.name for library in config.libraries]
    for index, pool in enumerate(config.volume_pools):
        if pool.library not in names:
            known = ", ".join(names) or "none"
            wrong = f"there is no library {pool.library!r} (configured: {known})"
            yield Contradiction(("volume_pool", index, "library"), wrong, "name a [[library]], or add it")


def pools_share_no_barcodes(config: Config) -> Iterator[Contradiction]:
    """A barcode belongs to one pool."""
    owners: dict[str, str] = {}
    for index, pool in enumerate(config.volume_pools):
        for pattern in pool.barcodes:
            owner = owners.setdefault(pattern, pool.name)
            if owner != pool.name:
                wrong = f"{pattern!r} belongs to pool {owner!r} already"
                yield Contradiction(("volume_pool", index, "barcodes"), wrong, "give each pool barcodes of its own")


def ports(config: Config) -> Iterator[Contradiction]:
    """Two servers need two ports."""
    hosts = {config.dicom.host, config.web.host}
    if config.dicom.port == config.web.port and (len(hosts) == 1 or "0.0.0.0" in hosts or "::" in hosts):
        wrong = f"{config.web.port} is dicom.port too"
        yield Contradiction(("web", "port"), wrong, "choose another port for one of them")


def tls_ports(config: Config) -> Iterator[Contradiction]:
    """TLS shares a port with the node, or has one of its own."""
    if config.tls.port and config.tls.port == config.web.port:
        wrong = f"{config.web.port} is web.port too"
        yield Contradiction(("tls", "port"), wrong, "choose another port for one of them")


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except PermissionError:
        return False


def tls_files(config: Config) -> Iterator[Contradiction]:
    """A certificate has its key, files are there, and who is to be checked can be."""
    none = PurePath()
    for section, tables in (("tls", config.tls), ("web", config.web)):
        files = {"certificate_file": tables.certificate_file, "key_file": tables.key_file}
        if section == "tls":
            files["authorities_file"] = config.tls.authorities_file
        for key, path in files.items():
            if path != none and not _is_file(config.resolve(path)):
                wrong = f"there is no file {config.resolve(path)}, or this user may not see it"
                yield Contradiction((section, key), wrong, "name an existing file, or leave it empty")
        for key, other in (("certificate_file", "key_file"), ("key_file", "certificate_file")):
            if files[key] == none and files[other] != none:
                yield Contradiction((section, key), "it is missing", f"name the file that belongs to {section}.{other}")
    tls = config.tls
    if tls.port and tls.certificate_file == none and tls.key_file == none:
        yield Contradiction(("tls", "certificate_file"), "it is missing", "name one, or set tls.port = 0")
    if tls.port and tls.client_certificates != "none" and tls.authorities_file == none:
        wrong = "it is missing, and without it no caller's certificate can be checked"
        yield Contradiction(("tls", "authorities_file"), wrong, 'name one, or set tls.client_certificates = "none"')


def orders_port(config: Config) -> Iterator[Contradiction]:
    """The HL7 listener needs a port of its own."""
    if config.orders.hl7 and config.orders.port in (config.dicom.port, config.web.port):
        other = "dicom.port" if config.orders.port == config.dicom.port else "web.port"
        wrong = f"{config.orders.port} is {other} too"
        yield Contradiction(("orders", "port"), wrong, "choose another port, 2575 is usual")


def sizes(config: Config) -> Iterator[Contradiction]:
    """What is accepted has to fit into a pack, and a pack onto a volume."""
    if config.dicom.max_object_bytes > config.pack.max_bytes:
        wrong = f"{config.dicom.max_object_bytes} is more than pack.max_bytes ({config.pack.max_bytes})"
        yield Contradiction(("dicom", "max_object_bytes"), wrong, "lower it, or raise pack.max_bytes")
    if any(pool.kind == "disc" for pool in config.volume_pools) and config.pack.max_bytes > DVD_BYTES:
        media = "a DVD" if config.pack.max_bytes <= BD_BYTES else "a DVD or a single-layer BD-R"
        wrong = f"packs of up to {config.pack.max_bytes} bytes are cut, which do not all fit on {media}"
        remedy = f"leave it for larger discs, or set it below {DVD_BYTES}; a pack that fits on no disc of a pool waits"
        yield Contradiction(("pack", "max_bytes"), wrong, remedy, Severity.NOTE)


def waits(config: Config) -> Iterator[Contradiction]:
    """Shorter times fit into longer ones."""
    if config.engine.retry_first_s > config.engine.retry_max_s:
        wrong = f"{config.engine.retry_first_s:g} s is longer than engine.retry_max_s ({config.engine.retry_max_s:g} s)"
        yield Contradiction(("engine", "retry_first_s"), wrong, "lower it, or raise engine.retry_max_s")


def catalog_address(config: Config) -> Iterator[Contradiction]:
    """Only two kinds of database are known to keep the promises."""
    kind = config.catalog.url.split(":", 1)[0]
    if config.catalog.url and kind not in ("sqlite", "postgresql", "postgresql+psycopg"):
        wrong = f"{kind!r} is not a database Firn knows"
        remedy = "use sqlite:///FILE or postgresql+psycopg://USER@HOST/NAME, or leave it empty"
        yield Contradiction(("catalog", "url"), wrong, remedy)


def policy_file(config: Config) -> Iterator[Contradiction]:
    """A policy that is named has to be there."""
    if config.policy_file is not None and not config.policy_file.is_file():
        wrong = f"there is no file {config.policy_file}"
        yield Contradiction(("policy", "file"), wrong, "name an existing file, or leave it empty")


def sign_in_elsewhere(config: Config) -> Iterator[Contradiction]:
    """A directory or provider that lets nobody in, or cannot be asked, is a mistake."""
    if config.ldap.url:
        if not config.ldap.base:
            yield Contradiction(("ldap", "base"), "it is empty, so nobody is found", "say where people are looked for")
        if "{name}" not in config.ldap.user_filter:
            yield Contradiction(("ldap", "user_filter"), "it does not hold {name}", "write (uid={name}), for example")
        if config.ldap.bind_dn and config.ldap.password_file == Path():
            remedy = "name the file with the password of ldap.bind_dn"
            yield Contradiction(("ldap", "password_file"), "it is empty", remedy)
    if config.oidc.issuer and not config.oidc.client_id:
        yield Contradiction(("oidc", "client_id"), "it is empty", "write what Firn is called at the provider")
    for name, used, section in (("ldap", config.ldap.url, config.ldap), ("oidc", config.oidc.issuer, config.oidc)):
        if used and not any(section.groups.values()):
            remedy = "name the groups of at least one role"
            yield Contradiction((name, "viewer_groups"), "no group has a role, so nobody can sign in", remedy)


CHECKS: tuple[Checked, ...] = (
    (frozenset({"online"}), water_marks),
    (frozenset({"archive", "online"}), pool_directories),
    (frozenset({"peer", "library", "volume_pool"}), unique_names),
    (frozenset({"library", "volume_pool"}), pools_have_libraries),
    (frozenset({"volume_pool"}), pools_share_no_barcodes),
    (frozenset({"dicom", "web"}), ports),
    (frozenset({"dicom", "orders", "web"}), orders_port),
    (frozenset({"tls", "web"}), tls_ports),
    (frozenset({"archive", "tls", "web"}), tls_files),
    (frozenset({"dicom", "pack", "volume_pool"}), sizes),
    (frozenset({"engine"}), waits),
    (frozenset({"catalog"}), catalog_address),
    (frozenset({"archive", "policy"}), policy_file),
    (frozenset({"ldap", "oidc"}), sign_in_elsewhere),
)
