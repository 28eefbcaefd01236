"""The plan of the house: who may import whom, and what a light start loads."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "bench"

# From the ground up: a room imports only from levels below its own, or from itself.
LEVELS = [
    {"errors"},
    {"records"},
    {"stats", "sweep"},
    {"doubts", "runtime", "device", "zoo", "store"},
    {"trial"},
    {"engine"},
    {"frame"},
    {"report"},
    {"cli"},
]
FORBIDDEN = {  # a report is made on a machine without adb
    "frame": {"engine", "trial", "device", "runtime", "virtual"},
    "report": {"engine", "trial", "device", "runtime", "virtual"},
    "virtual": {name for level in LEVELS for name in level} - {"errors", "records"},
}
SIDEWAYS = {("zoo", "runtime")}  # bench.zoo.host feeds models with the runner's seeded inputs


def rooms_of(path):
    """The rooms that a module of ours imports, with the line of each."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in names:
            parts = name.split(".")
            if parts[0] == "bench" and len(parts) > 1 and is_room(parts[1]):
                yield parts[1], node.lineno


def is_room(name):
    return (PACKAGE / name).is_dir() or (PACKAGE / f"{name}.py").is_file()


def room_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def level_of(room):
    return next(i for i, level in enumerate(LEVELS) if room in level)


MODULES = [p for p in PACKAGE.rglob("*.py") if p != PACKAGE / "__init__.py"]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    room = room_of(path)
    for other, line in rooms_of(path):
        where = f"{path.relative_to(ROOT)}:{line} imports bench.{other}"
        if other == room or (room, other) in SIDEWAYS:
            continue
        assert other not in FORBIDDEN.get(room, set()), where
        if other == "virtual":
            assert room == "cli", where
        elif room != "virtual":
            assert level_of(other) < level_of(room), where


def test_only_the_device_room_knows_adbutils():
    users = {room_of(p) for p in MODULES if "adbutils" in p.read_text()}
    assert users <= {"device", "engine"}  # the engine records its version


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_room_is_small_enough_to_read(path):
    assert len(path.read_text().splitlines()) <= 450
    assert path.stem not in {"utils", "helpers", "managers", "common", "misc"}


@pytest.mark.parametrize("start", ["import bench", "import bench.cli"])
def test_a_start_loads_nothing_heavy(start):
    code = (
        f"{start}, sys\n"
        "heavy = {'pandas', 'numpy', 'matplotlib', 'ai_edge_litert', 'adbutils', 'jinja2'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=60,
    )
    assert found.stdout.strip() == "[]"
