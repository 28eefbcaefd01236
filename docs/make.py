"""Makes the parts of the documentation that the tool itself prints.

    python docs/make.py help       docs/cli.md, from every verb's --help
    python docs/make.py session    README's session and picture, and the example run and report

`tests/test_docs.py` holds docs/cli.md to what --help says.
"""

from __future__ import annotations

import inspect
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import typer

ROOT = Path(__file__).parents[1]
HEAD = """\
# The command line

Made by `python docs/make.py help` from what each verb says with `--help`.
"""
MARKS = re.compile(r"(<!-- session:[^>]*-->\n).*?(<!-- /session -->)", re.DOTALL)


def main() -> None:
    match sys.argv[1:]:
        case ["help"]:
            (ROOT / "docs" / "cli.md").write_text(cli_page())
        case ["session"]:
            make_session()
        case _:
            raise SystemExit(__doc__)


def cli_page() -> str:
    """Every verb with its arguments and options, one heading each."""
    from bench.cli import app

    root = typer.main.get_command(app)
    parts = [HEAD, inspect.cleandoc(root.help or "") + "\n"]
    for name, command in verbs(root).items():
        parts.append(f"## bench {name}\n\n{inspect.cleandoc(command.help or '')}\n")
        rows = [row(parameter, command) for parameter in command.params if parameter.name != "help"]
        if rows:
            parts.append("\n".join(["| | |", "|---|---|", *rows]) + "\n")
    return "\n".join(parts)


def verbs(command: Any, name: str = "") -> dict[str, Any]:
    """Every command that does something, by its words."""
    below = getattr(command, "commands", None)
    if below is None:
        return {name: command}
    found: dict[str, Any] = {name: command} if name and command.invoke_without_command else {}
    for word, sub in below.items():
        found |= verbs(sub, f"{name} {word}".strip())
    return found


def row(parameter: Any, command: Any) -> str:
    """One argument or option as a line of a table."""
    if parameter.param_type_name == "argument":
        shown = f"`{parameter.metavar or parameter.name.upper()}`"
    else:
        word = "" if parameter.is_flag else f" {parameter.metavar or parameter.name.upper()}"
        opts = [*parameter.opts, *parameter.secondary_opts]
        shown = ", ".join(f"`{opt}{word}`" for opt in opts)
    default = parameter.default
    told = f" Default: `{default}`." if isinstance(default, str | float | Path) else ""
    meaning = f"{parameter.help}{one_of(command, parameter.name)}{told}"
    return f"| {shown.replace('|', chr(92) + '|')} | {meaning} |"


def one_of(command: Any, name: str) -> str:
    """What an option that takes one of a few words may be."""
    hint = get_type_hints(command.callback)[name]
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Literal and len(get_args(part)) > 1:
            return f" One of {', '.join(f'`{word}`' for word in get_args(part))}."
    return ""


def make_session() -> None:
    """Run the quickstart on a virtual phone and show what it printed and drew."""
    with tempfile.TemporaryDirectory() as folder:
        printed = said(
            "sweep", "examples/quickstart.toml", "--device", "virtual", "--results", folder
        )
        (run,) = (Path(folder) / "quickstart").iterdir()
        example = ROOT / "results" / "example"
        shutil.rmtree(example, ignore_errors=True)
        (example).mkdir()
        kept = shutil.copytree(run, example / run.name, ignore=shutil.ignore_patterns(".lock"))
        (kept / "report.html").unlink()
        forget_host(kept)
        printed = printed.replace(folder, "results")
    said("report", str(kept), "--output", str(ROOT / "reports" / "example.html"))
    draw(kept, ROOT / "docs" / "latency_vs_macs.svg")
    session = (
        f"```\n$ bench sweep examples/quickstart.toml --device virtual\n{printed}```\n\n"
        "![Latency against complexity of MobileNet v1 at four widths, on a virtual phone]"
        "(docs/latency_vs_macs.svg)\n\n"
        "Made on a virtual phone, that is, on the computer that wrote this page: "
        "the run is [results/example](results/example), its page "
        "[reports/example.html](reports/example.html).\n\n"
    )
    readme = ROOT / "README.md"
    readme.write_text(MARKS.sub(lambda m: m[1] + session + m[2], readme.read_text()))


def forget_host(run: Path) -> None:
    """Where models lay, and the kernel of the computer that made the example: nobody's business."""
    for name, field, known in (("models", "path", lambda path: Path(path).name),
                               ("devices", "kernel", lambda kernel: None)):  # fmt: skip
        file = run / f"{name}.json"
        told = json.loads(file.read_text())
        for one in told.values():
            one[field] = known(one[field])
        file.write_text(json.dumps(told, indent=2) + "\n")


def draw(run: Path, picture: Path) -> None:
    import bench

    figure = bench.plot.latency_vs_macs(bench.load_cells(run))
    figure.savefig(picture, metadata={"Date": None})


def said(*words: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", "from bench.cli import main; main()", *words],
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "80", "NO_COLOR": "1", "TERM": "dumb"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"bench {' '.join(words)}: {done.stderr}")
    return re.sub(r"^Usage: -c ", "Usage: bench ", done.stdout)


if __name__ == "__main__":
    main()
