"""What a person can meet is written down: commands, settings, errors."""

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from appliance.cli import app
from appliance.config.keys import tables

ROOT = Path(__file__).parent.parent
ROOMS = ("drivers", "hsm", "web", "appliance")


def document(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def commands(group: Any, path: str) -> Iterator[tuple[str, list[str]]]:
    """Every command with its whole name and its long options."""
    for name, command in getattr(group, "commands", {}).items():
        if command.hidden:
            continue
        if hasattr(command, "commands"):
            yield from commands(command, f"{path} {name}")
        else:
            options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
            yield f"{path} {name}", [option for option in options if option != "--help"]


def undocumented_commands(text: str, found: Iterable[tuple[str, list[str]]]) -> list[str]:
    """Commands, and options as "command --option", that a text does not name.

    A command is described below a heading that holds its name; its options stand in that section.
    """
    sections = [part for part in re.split(r"^(?=#+ )", text, flags=re.MULTILINE) if part.startswith("#")]
    missing = []
    for command, options in found:
        named = re.compile(rf"`{re.escape(command)}(?![\w-])")
        texts = [section for section in sections if named.search(section.partition("\n")[0])]
        if not texts:
            missing.append(command)
        missing += [
            f"{command} {option}"
            for option in options
            if texts and not any(re.search(rf"{re.escape(option)}(?![\w-])", section) for section in texts)
        ]
    return missing


def error_classes(root: Path) -> dict[str, str]:
    """Public exception classes of the rooms, found without importing anything: name -> file."""
    bases: dict[str, set[str]] = {}
    files: dict[str, str] = {}
    for room in ROOMS:
        for path in sorted((root / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef):
                    names = {
                        base.attr if isinstance(base, ast.Attribute) else getattr(base, "id", "") for base in node.bases
                    }
                    bases.setdefault(node.name, set()).update(names)
                    files[node.name] = path.relative_to(root).as_posix()

    def is_error(name: str, seen: frozenset[str] = frozenset()) -> bool:
        known = getattr(builtins, name, None)
        if isinstance(known, type) and issubclass(known, BaseException):
            return True
        return name not in seen and any(is_error(base, seen | {name}) for base in bases.get(name, ()))

    return {name: files[name] for name in sorted(bases) if not name.startswith("_") and is_error(name)}


def test_every_command_and_option_is_documented() -> None:
    found = list(commands(typer.main.get_command(app), "firn"))
    assert found, "the command line has no command"
    assert undocumented_commands(document("COMMANDS.md"), found) == []


def test_every_setting_is_documented() -> None:
    sections = re.split(r"^(?=## )", document("CONFIGURATION.md"), flags=re.MULTILINE)
    missing = []
    for table in tables():
        heading = f"[[{table.name}]]" if table.repeated else f"[{table.name}]"
        section = next((text for text in sections if f"`{heading}`" in text.partition("\n")[0]), "")
        missing += [key.path for key in table.keys if f"| `{key.name}` |" not in section]
    assert missing == []


def test_every_error_is_documented() -> None:
    text = document("ERRORS.md")
    assert {name: file for name, file in error_classes(ROOT).items() if f"`{name}`" not in text} == {}


def test_no_error_is_documented_that_is_gone() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", document("ERRORS.md"), flags=re.MULTILINE)
    assert listed
    assert set(listed) - set(error_classes(ROOT)) == set()


@pytest.mark.parametrize(
    ("text", "missing"),
    [
        ("## `firn volumes label BARCODE`\n`--pool` and `--wait`\n", []),
        ("## `firn volumes label`\n`--pool-name`, `--wait`\n", ["firn volumes label --pool"]),
        ("## `firn volumes labels`\n--pool --wait\n", ["firn volumes label"]),
        ("In the text: `firn volumes label` --pool --wait\n", ["firn volumes label"]),
        ("## `firn volumes label`\n--wait\n## `firn else`\n--pool\n", ["firn volumes label --pool"]),
    ],
)
def test_a_missing_command_or_option_is_noticed(text: str, missing: list[str]) -> None:
    assert undocumented_commands(text, [("firn volumes label", ["--pool", "--wait"])]) == missing


def test_errors_are_found_through_their_bases(tmp_path: Path) -> None:
    (tmp_path / "hsm").mkdir()
    (tmp_path / "hsm" / "a.py").write_text(
        "import b\nclass Gone(b.Base): ...\nclass _Hidden(Gone): ...\nclass Thing: ...\nclass Loop(Loop): ...\n"
    )
    (tmp_path / "drivers").mkdir()
    (tmp_path / "drivers" / "b.py").write_text("class Base(OSError):\n    class Inner(ValueError): ...\n")
    assert error_classes(tmp_path) == {"Base": "drivers/b.py", "Gone": "hsm/a.py", "Inner": "drivers/b.py"}
