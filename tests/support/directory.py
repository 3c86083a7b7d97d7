"""A directory that is not ours: Debian's slapd on a loopback port, an ordinary process in a folder of its own."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from socket import create_connection

from tests.support.certificates import server_and_client
from tests.support.ports import free_port

BASE = "dc=hospital,dc=example"
LOOKING_DN, LOOKING_PASSWORD = f"cn=firn,{BASE}", "looking up"
PASSWORD = "swordfish and chips"
CONFIGURATION = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/slapd.pid
TLSCertificateFile {folder}/certificate.pem
TLSCertificateKeyFile {folder}/key.pem
security simple_bind=128
database mdb
suffix "{base}"
directory {folder}/data
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{looking}" read by * none
"""
PEOPLE = {"anna": "Anna Meyer", "adam": "Adam Adler", "nobody": "Nora Niemand", "local": "Lola Local"}
GROUPS = {"clerks": ("anna", "local"), "admins": ("adam",), "gardeners": ("nobody", "anna")}


@dataclass(frozen=True)
class Directory:
    """Where it is, and the certificate it presents."""

    port: int
    certificate: Path

    @property
    def url(self) -> str:
        """Its address for StartTLS."""
        return f"ldap://127.0.0.1:{self.port}"  # libldap takes "localhost" for the name of the machine


def _entries() -> str:
    told = [f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Hospital\ndc: hospital\n"]
    for unit in ("people", "groups"):
        told.append(f"dn: ou={unit},{BASE}\nobjectClass: organizationalUnit\nou: {unit}\n")
    told.append(
        f"dn: {LOOKING_DN}\nobjectClass: applicationProcess\nobjectClass: simpleSecurityObject\ncn: firn\n"
        f"userPassword: {LOOKING_PASSWORD}\n"
    )
    for name, full_name in PEOPLE.items():
        mine = [group for group, members in GROUPS.items() if name in members]
        groups = "".join(f"memberOf: cn={group},ou=groups,{BASE}\n" for group in mine)  # slapadd runs no overlay
        told.append(
            f"dn: uid={name},ou=people,{BASE}\nobjectClass: inetOrgPerson\nuid: {name}\ncn: {full_name}\n"
            f"sn: {full_name.split()[-1]}\nmail: {name}@hospital.example\nuserPassword: {PASSWORD}\n{groups}"
        )
    for group, members in GROUPS.items():
        lines = "".join(f"member: uid={member},ou=people,{BASE}\n" for member in members)
        told.append(f"dn: cn={group},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {group}\n{lines}")
    return "\n".join(told)


@contextmanager
def directory(folder: Path) -> Iterator[Directory]:
    """A directory with a few people, while the block runs."""
    slapd = shutil.which("slapd", path="/usr/sbin:/usr/bin")
    assert slapd is not None, "slapd is missing; run .ci/bootstrap.sh test"
    server_and_client(folder)
    (folder / "data").mkdir()
    configuration, entries = folder / "slapd.conf", folder / "entries.ldif"
    configuration.write_text(CONFIGURATION.format(folder=folder, base=BASE, looking=LOOKING_DN))
    entries.write_text(_entries())
    subprocess.run(
        ["/usr/sbin/slapadd", "-f", str(configuration), "-l", str(entries)], check=True, capture_output=True, timeout=60
    )
    port = free_port()
    process = subprocess.Popen(
        [slapd, "-f", str(configuration), "-h", f"ldap://127.0.0.1:{port} ldap://127.0.0.2:{port}", "-d", "0"],
        stderr=subprocess.PIPE,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            assert process.poll() is None and time.monotonic() < deadline, "slapd does not start"
            with suppress(OSError), create_connection(("127.0.0.1", port), 1):
                break
            time.sleep(0.02)
        yield Directory(port, folder / "certificate.pem")
    finally:
        process.terminate()
        process.communicate(timeout=30)
