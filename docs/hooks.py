"""Lists the public names of a room, the kinds of results and the commands on pages of the reference.

A page names a room by a line ``::: room landscape.hessian``. Its ``__all__`` and its imports, or the names
that it loads on first use and the figures that register themselves, are read as text, nothing is imported: a
function may share its name with the file it lives in, where a reader of modules would find the file. The
recipes of `landscape.analyses`, and the table that takes the place of a line ``::: kinds``, follow from the
records of `landscape.results.kinds`. The line ``::: commands`` becomes the help pages of all commands.

Every figure of the gallery gets a page of its own (docs/catalogue.py), and formulas are typeset
(docs/formulas.py).
"""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
_ROOM = re.compile(r"^::: room (\S+)$", re.MULTILINE)
_FIGURE = re.compile(r"\]\(figures\.md#(\w+)\)")
_TITLE = re.compile(r"<figcaption>(\w+)</figcaption>")
_ENTRY = """::: {path}
    options:
      heading: {heading}
      toc_label: {label}
      show_root_heading: true
      show_root_toc_entry: true
"""


def on_files(files: Any, config: Any, **_: Any) -> Any:
    """Called by mkdocs once: the pages of the gallery join those that lie in docs."""
    from mkdocs.structure.files import File

    if str(ROOT) not in sys.path:  # mkdocs takes back what a hook does to the path while it is loaded
        sys.path.insert(0, str(ROOT))
    from docs import catalogue

    for name in catalogue.drawn():
        files.append(File.generated(config, f"gallery/{name}.md", content=catalogue.page(name)))
    return files


def on_page_markdown(markdown: str, page: Any = None, **_: Any) -> str:
    """Called by mkdocs for every page."""
    from docs.formulas import typeset

    if (
        page is not None and page.file.src_uri == "gallery.md"
    ):  # a code host shows the sections of one page instead
        from landscape.figures.registry import find

        markdown = _FIGURE.sub(r"](gallery/\1.md)", markdown)
        markdown = _TITLE.sub(lambda found: f"<figcaption>{find(found[1]).title}</figcaption>", markdown)
    markdown = _ROOM.sub(lambda found: _entries(found[1]), markdown).replace("::: kinds", kinds())
    if "::: commands" in markdown:
        return markdown.replace("::: commands", commands())
    return typeset(markdown)


def commands() -> str:
    """The help page of every command, as a terminal of 80 columns shows it."""
    import click

    from landscape.cli import COMMANDS, group

    top = group.make_context("landscape", [], resilient_parsing=True, terminal_width=80)
    parts = []
    for name in COMMANDS:
        command = group.get_command(top, name)
        assert command is not None
        context = click.Context(command, parent=top, info_name=name)
        parts.append(f"## landscape {name}\n\n```text\n{command.get_help(context)}\n```")
    return "\n\n".join(parts)


def kinds() -> str:
    """Every kind of result as a table."""
    from landscape.results.kinds import KINDS

    lines = ["| kind | what is measured | command | variables |", "|---|---|---|---|"]
    for name, kind in sorted(KINDS.items()):
        variables = ", ".join(f"`{variable}`" for variable in kind.variables)
        lines.append(f"| `{name}` | {kind.summary} | `{kind.measured_by}` | {variables} |")
    return "\n".join(lines)


def _entries(room: str) -> str:
    parts = []
    for name, path in names(room).items():
        heading = f"{room.removeprefix('landscape.')}.{name}"
        parts.append(_ENTRY.format(path=path, heading=heading, label=name))
    if not parts:
        raise ValueError(f"{room} has no public names to list")
    return "\n".join(parts)


def names(room: str) -> dict[str, str]:
    """Public names of a room with the path of each definition, functions before everything else."""
    tree = _tree(room)
    public: list[str] = []
    origins: dict[str, str] = {}
    for node in ast.walk(tree):  # names that load on first use are imported under TYPE_CHECKING
        if isinstance(node, ast.ImportFrom) and node.module:
            origins |= {each.asname or each.name: f"{node.module}.{each.name}" for each in node.names}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            origins[node.name] = f"{room}.{node.name}"
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__":
            public = ast.literal_eval(node.value)
        elif isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_NAMES":
            loaded = {name: f"{room}.{file}.{name}" for name, file in ast.literal_eval(node.value).items()}
            public = list(loaded | _registered(room))
            origins |= loaded | _registered(room)
    if room == "landscape.analyses":
        from landscape.results.kinds import KINDS

        recipes = {name: kind.recipe.replace(":", ".") for name, kind in KINDS.items()}
        origins, public = recipes | origins, [*dict.fromkeys([*public, *recipes])]
    found = {name: origins[name] for name in public if name in origins and _explained(origins[name])}
    return {name: found[name] for name in sorted(found, key=lambda name: (not name.islower(), name))}


def _registered(room: str) -> dict[str, str]:
    """Functions that register themselves by a decorator `figure`, in the files of the room's own rooms."""
    folder = ROOT.joinpath(*room.split("."))
    return {
        node.name: ".".join([*file.relative_to(ROOT).with_suffix("").parts, node.name])
        for file in sorted(folder.glob("*/*.py"))
        for node in ast.parse(file.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        for decorator in node.decorator_list
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "figure"
    }


def _explained(path: str) -> bool:
    """Whether a function or class, or a constant with words after it, is defined at the path."""
    module, _, name = path.rpartition(".")
    body = _tree(module).body
    for index, node in enumerate(body):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return True
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(getattr(target, "id", None) == name for target in targets):
            after = body[index + 1 : index + 2]
            return bool(after) and isinstance(after[0], ast.Expr) and isinstance(after[0].value, ast.Constant)
    return False


def _tree(module: str) -> ast.Module:
    place = ROOT.joinpath(*module.split("."))
    package = place / "__init__.py"  # a folder of data may have the name of a module
    file = package if package.is_file() else place.with_suffix(".py")
    return ast.parse(file.read_text(encoding="utf-8"))
