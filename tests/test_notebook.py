"""The notebook runs from top to bottom, on made-up results of three virtual phones."""

from __future__ import annotations

from pathlib import Path

import fabricated as made
import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"


@pytest.mark.filterwarnings("default")  # of the kernel's own machinery
def test_the_notebook_runs_and_shows_tables_and_plots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = [
        made.virtual_phone(f"v{name}", model=f"Virtual {name}", profile=name.lower())
        for name in ("Flagship", "Midrange", "Small")
    ]
    trials = made.grid(devices, made.MOBILENETS, repetitions=3)
    made.write_run(tmp_path, devices, made.MOBILENETS, trials, repetitions=3)
    monkeypatch.setenv("BENCH_RESULTS", str(tmp_path))
    monkeypatch.setenv("JUPYTER_PLATFORM_DIRS", "1")
    notebook = nbformat.read(FOLDER / "compare_devices.ipynb", as_version=4)
    client = NotebookClient(notebook, resources={"metadata": {"path": str(FOLDER)}}, timeout=120)
    client.execute()
    shown = [
        output
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]
    assert sum("image/png" in output.data for output in shown) == 5
    assert sum("text/html" in output.data for output in shown) == 5
    assert not any(
        output.output_type == "stream" for c in notebook.cells for output in c.get("outputs", [])
    )
    assert any("slower" in output.data.get("text/html", "") for output in shown)
