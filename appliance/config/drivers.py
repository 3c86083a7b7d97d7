"""What only the drivers know: whether there is such a driver, and whether it has these options.

Packages are looked at for this, and imported; no device is touched.
"""

from collections.abc import Iterator
from pathlib import Path

from appliance.config.cross import Checked, Contradiction
from appliance.config.schema import Config
from drivers import kinds


def library_options(config: Config) -> Iterator[Contradiction]:
    """Each library names a driver that exists, with options it has."""
    for index, library in enumerate(config.libraries):
        known = kinds.names()
        if library.driver not in known:
            wrong = f"there is no driver {library.driver!r}"
            yield Contradiction(("library", index, "driver"), wrong, kinds.nearest(library.driver))
            continue
        try:
            kind = kinds.find(library.driver)
        except kinds.DriverUnknown as error:
            yield Contradiction(("library", index, "driver"), f"{error}", "reinstall or remove that package")
            continue
        if kind.path and library.path == Path():
            yield Contradiction(("library", index, "path"), "it is missing", f"set path: {kind.path}")
        for fault in kind.check(library.options):
            yield Contradiction(("library", index, "options", fault.option), fault.wrong, fault.remedy)


DRIVER_CHECKS: tuple[Checked, ...] = ((frozenset({"library"}), library_options),)
