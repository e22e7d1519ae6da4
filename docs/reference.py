"""The generated parts of the documentation: for the blocks in the pages, and the JSON Schemas in ``schema/``.

``cog -r ARCHITECTURE.md docs/*.md`` writes the blocks, ``python docs/reference.py`` the schemas; with ``--check`` both
only compare, and fail where something drifted.
"""

import ast
import json
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

import click

from gros_agent.cli import COMMANDS, main
from gros_agent.database.columns import about, columns
from gros_agent.database.columns import name as name_of
from gros_agent.errors import SEVERITY, ExitStatus
from gros_agent.options.rights import Right, TextMode
from gros_agent.rows import TABLES, Row, json_schema
from gros_agent.settings.controller_text import rights
from gros_agent.settings.environment import VARIABLES
from gros_agent.settings.template import HOST_OPTIONS, KEYED, SECRET_VARIABLES, SETTINGS
from gros_agent.sources import sources

SCHEMAS = Path(__file__).parent / "schema"
PACKAGE = Path(__file__).parent.parent / "src" / "gros_agent"


def table(headings: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [headings, tuple("---" for _ in headings), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |\n" for row in lines)


def exit_statuses() -> str:
    """Every exit status, those that can hold at once in the order in which the last one wins."""
    others = [status for status in ExitStatus if status not in SEVERITY]
    return table(("status", "meaning"), [(str(int(one)), one.meaning) for one in (*SEVERITY, *others)])


def commands() -> str:
    """The help of every command, as the terminal shows it."""
    parts = []
    for name in ("", *COMMANDS):
        command = main.get_command(click.Context(main), name) if name else main
        assert command is not None
        parts.append(_help(f"gros-agent {name}".strip(), command))
        if isinstance(command, click.Group) and command is not main:
            parts += [_help(f"gros-agent {name} {sub}", one) for sub, one in command.commands.items()]
    return "\n".join(parts)


def _help(name: str, command: click.Command) -> str:
    context = click.Context(command, info_name=name, max_content_width=100, terminal_width=100)
    context.help_option_names = ["-h", "--help"]
    return f"## {name}\n\n```text\n{command.get_help(context)}\n```\n"


def secret_variables() -> str:
    """The variables that may stand in a file."""
    return ", ".join(f"`{name}`" for name in sorted(SECRET_VARIABLES)) + "\n"


def option_variables() -> str:
    """The variable of each option of a command."""
    rows = set()
    for name in COMMANDS:
        command = main.get_command(click.Context(main), name)
        listed = command.commands.values() if isinstance(command, click.Group) else [command]
        rows |= {
            (one.opts[-1], str(one.envvar)) for each in listed if each for one in each.params if one.opts[-1] != "home"
        }
    return table(("option", "variable"), sorted((f"`{option}`", f"`{variable}`") for option, variable in rows))


def variables() -> str:
    """The variables that are no template for an option."""
    return table(("variable", "meaning"), [(f"`{name}`", one.meaning) for name, one in VARIABLES.items()])


def controller_rights() -> str:
    """What happens where a controller sets a variable, for each that is declared."""
    names: dict[Right, list[str]] = {right: [] for right in Right}
    for name, right in rights().items():
        names[right].append(f"`{name}`")
    rows = []
    for right, listed in names.items():
        when = {None: "never: it ", TextMode.SOURCES: "with `sources` or `all`: it ", TextMode.ALL: "with `all`: it "}
        shown = ", ".join(listed) if right is not Right.UNKNOWN else "*any other*"
        rows.append((shown, when.get(right.mode, "") + right.meaning))
    return table(("variable", "what happens where the controller sets it"), rows)


def settings() -> str:
    """The options of the settings file and their variables."""
    rows = [
        (f"`[{one.section}]`", f"`{one.name}`", f"`{one.variable}`", "yes" if one.secret else "") for one in SETTINGS
    ]
    rows += [(f"`[{name}]`", f"*a key of* `{one.keys}`", f"`{one.value}`", "") for name, one in KEYED.items()]
    return table(("section", "option", "variable", "secret"), rows)


def host_options() -> str:
    """The options of a host in the credentials file, the sources that read them, and their variables."""
    rows = []
    for one in HOST_OPTIONS:
        prefixes = (["SOURCE_"] if one.in_template else []) + (["DEFINITIONS_"] if one.definitions else [])
        readers = [source.title for source in sources().values() if one in source.host_options]
        by = "every source" if len(readers) == len(sources()) else ", ".join(readers) or "none yet"
        variables = ", ".join(f"`{one.variable(prefix)}`" for prefix in prefixes)
        rows.append((f"`{one.name}`", one.meaning, by, "yes" if one.secret else "", variables))
    return table(("option", "meaning", "read by", "secret", "variables"), rows)


def source_table() -> str:
    """The sources that there are."""
    rows = [
        (
            one.title,
            f"`{one.kind}`",
            ", ".join(f"`{row.table}`" for row in one.tables),
            f"`{one.tracker}`" if one.tracker else "none",
        )
        for one in sources().values()
    ]
    return table(("system", "type", "tables", "tracker"), rows)


def personal_fields() -> str:
    """The tables with their personal fields and their free text."""
    rows = []
    for row in TABLES:
        personal = ", ".join(f"`{name}`" for name in row.personal) or "none"
        rows.append((f"`{row.table}`", personal, ", ".join(f"`{name}`" for name in row.free_text) or "none"))
    return table(("table", "pseudonymised", "free text, written as it is"), rows)


def dictionary() -> str:
    """The data dictionary: each table with its columns, as ``gros-agent tables`` writes them."""
    return "\n".join(_described(row) for row in TABLES)


def _described(row: type[Row]) -> str:
    fillers = [source.title for source in sources().values() if row in source.tables]
    facts = (
        f"File: `{row.table}.json`, complete at each scrape" if row.snapshot else f"File: `{row.table}.json`",
        f"key: {', '.join(f'`{field}`' for field in row.key_fields)}" if row.key_fields else "no key",
        f"filled by: {', '.join(fillers) or 'the agent itself'}",
    )
    rows = [
        (
            f"`{one.name}`",
            one.kind.value,
            one.unit,
            one.meaning,
            "pseudonym" if one.is_personal else "free text" if one.is_free_text else "",
            "yes" if one.can_be_null else "",
        )
        for one in columns(row)
    ]
    listed = table(("column", "type", "unit", "meaning", "people", "may be empty"), rows)
    return f"### {name_of(row)}\n\n{about(row)}\n\n{'; '.join(facts)}.\n\n{listed}"


def rooms(*names: str) -> str:
    """The tree of the package, the topmost room first: each with the sentence of its ``__init__`` and its modules."""
    lines = ["src/gros_agent/"]
    for name in names:
        folder = PACKAGE / name
        if folder.is_dir():
            lines += _indented(f"{name}/", _first_sentence(folder / "__init__.py"))
            lines += _indented("", ", ".join(_modules(folder)))
        else:
            lines += _indented(f"{name}.py", _first_sentence(PACKAGE / f"{name}.py"))
    return "```text\n" + "\n".join(lines) + "\n```\n"


def _modules(folder: Path) -> list[str]:
    packages = {f"{path.parent.name}/" for path in folder.glob("*/__init__.py")}
    return sorted(packages | {path.stem for path in folder.glob("*.py")} - {"__init__"})


def _indented(heading: str, text: str) -> list[str]:
    return textwrap.wrap(f"{heading:<13} {text}", 118, initial_indent=" " * 2, subsequent_indent=" " * 16)


def _first_sentence(path: Path) -> str:
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    return " ".join(docstring.partition("\n\n")[0].split()).replace("``", "")


def schemas() -> dict[Path, str]:
    """The JSON Schema of each table's file."""
    found = {}
    for row in TABLES:
        schema = {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": row.table,
            "description": "One JSON array of rows, generated from the row type.",
            "type": "array",
            "items": json_schema(row),
        }
        found[SCHEMAS / f"{row.table}.json"] = json.dumps(schema, indent=2) + "\n"
    return found


def write_schemas(*, check: bool) -> int:
    """Write the schemas, or say which of them drifted. Returns an exit status."""
    wanted = schemas()
    drifted = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    drifted += [path for path in SCHEMAS.glob("*.json") if path not in wanted]
    for path in drifted:
        if check:
            sys.stderr.write(f"{path} does not say what the code says: run python docs/reference.py\n")
        elif path in wanted:
            path.write_text(wanted[path])
        else:
            path.unlink()
    return 1 if check and drifted else 0


if __name__ == "__main__":
    sys.exit(write_schemas(check="--check" in sys.argv[1:]))
