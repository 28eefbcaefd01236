"""Makes what compare_devices.ipynb shows: runs on three virtual phones, then the outputs.

python notebooks/make.py            sweep anew, then run the notebook
python notebooks/make.py notebook   run the notebook on the runs that are there
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
RUNS = HERE / "three_phones"
NOTEBOOK = HERE / "compare_devices.ipynb"
PROFILES = ("flagship", "midrange", "small")


def main() -> None:
    match sys.argv[1:]:
        case []:
            sweep()
            run()
        case ["notebook"]:
            run()
        case _:
            raise SystemExit(__doc__)


def sweep() -> None:
    """One phone after the other: together they would share the computer's cores."""
    with tempfile.TemporaryDirectory() as folder:
        for profile in PROFILES:
            subprocess.run(
                [
                    *(sys.executable, "-c", "from bench.cli import main; main()", "sweep"),
                    *(str(HERE / "three_phones.toml"), "--device", f"virtual:{profile}"),
                    *("--results", folder, "--no-report", "--quiet"),
                ],
                check=True,
            )
        shutil.rmtree(RUNS, ignore_errors=True)
        for found in sorted((Path(folder) / "three_phones").iterdir()):
            keep(found, RUNS / found.name)


def keep(found: Path, kept: Path) -> None:
    """Copy a run without its logs, this computer's places of files and its kernel."""
    shutil.copytree(found, kept, ignore=shutil.ignore_patterns("logs", ".lock"))
    for name, field, known in (("models", "path", lambda path: Path(path).name),
                               ("devices", "kernel", lambda kernel: None)):  # fmt: skip
        file = kept / f"{name}.json"
        told = json.loads(file.read_text())
        for one in told.values():
            one[field] = known(one[field])
        file.write_text(json.dumps(told, indent=2) + "\n")


def run() -> None:
    """Run the notebook and keep its outputs, without what differs from run to run."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": str(HERE)}}, timeout=120).execute()
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, NOTEBOOK)


if __name__ == "__main__":
    main()
