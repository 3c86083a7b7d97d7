"""Who may import whom: appliance -> web -> hsm -> drivers, and the pure rooms stay pure."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = ("drivers", "hsm", "web", "appliance")  # each may import those before it

# path prefix -> what must not be imported there, by prefix
FORBIDDEN = {
    "drivers": ("sqlalchemy", "alembic", "pydicom", "pynetdicom", "flask", "apscheduler"),
    "hsm": ("pynetdicom", "flask", "gunicorn", "typer"),
    "hsm/policy": ("sqlalchemy", "alembic", "hsm.catalog", "hsm.models"),
    "hsm/scheduler": ("sqlalchemy", "alembic", "hsm.catalog", "hsm.models"),
    "hsm/format": ("sqlalchemy", "alembic", "hsm.catalog", "hsm.models"),
    "hsm/states": ("sqlalchemy", "alembic", "hsm.catalog", "hsm.models"),
    "hsm/facts": ("sqlalchemy", "alembic", "hsm.catalog", "hsm.models"),
    "web": ("pynetdicom", "typer"),
}


def imported(source: str) -> Iterator[tuple[int, str]]:
    """The line and the full name of everything a module imports, late imports included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            for alias in node.names:
                yield node.lineno, f"{module}.{alias.name}"


def below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(prefix + ".")


def violations(root: Path) -> list[str]:
    """Every import below `root` that goes the wrong way, as "file:line imports name"."""
    found = []
    for rank, room in enumerate(ROOMS):
        upper = (*ROOMS[rank + 1 :], "tests")
        for path in sorted((root / room).rglob("*.py")):
            place = path.relative_to(root).as_posix()
            module = place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            refused = upper + tuple(
                name for where, names in FORBIDDEN.items() if below(module, where.replace("/", ".")) for name in names
            )
            for line, name in imported(path.read_text(encoding="utf-8")):
                if name.startswith(".") or any(below(name, prefix) for prefix in refused):
                    found.append(f"{place}:{line} imports {name}")
    return found


def test_imports_run_one_way() -> None:
    assert violations(ROOT) == []


def test_every_room_was_looked_at() -> None:
    for room in ROOMS:
        assert any((ROOT / room).rglob("*.py")), f"{room} holds no module"


@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("drivers/tape.py", "from hsm import pool"),
        ("drivers/deep/tape.py", "import sqlalchemy.orm"),
        ("hsm/engine.py", "def run():\n    from web.pages import page"),
        ("hsm/policy/plan.py", "from sqlalchemy import select"),
        ("hsm/scheduler/__init__.py", "from hsm import models"),
        ("hsm/states.py", "import hsm.catalog.jobs"),
        ("web/app.py", "import appliance.cli"),
        ("appliance/cli.py", "import tests.support"),
        ("hsm/pool.py", "from . import facts"),
    ],
)
def test_an_import_the_wrong_way_is_noticed(tmp_path: Path, file: str, line: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(line)
    assert len(violations(tmp_path)) == 1


def test_imports_the_right_way_pass(tmp_path: Path) -> None:
    path = tmp_path / "web" / "app.py"
    path.parent.mkdir()
    path.write_text("import hsmtool\nfrom hsm import archive\nfrom drivers.base import Barcode\nimport flask\n")
    assert violations(tmp_path) == []
