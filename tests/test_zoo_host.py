"""Models run on this machine, each in a process that may die."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import ModelError
from bench.records import ModelSpec
from bench.runtime import inputs
from bench.zoo import host, realize
from bench.zoo.host import PYTHON_VARIABLE, ask, run_once


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    spec = ModelSpec(family="mobilenet_v1", axes={"alpha": 0.25, "resolution": 32, "classes": 10})
    return Path(realize(spec, tmp_path_factory.mktemp("tiny")).path)


def test_a_model_gives_its_outputs_and_the_version_of_what_ran_it(tiny: Path) -> None:
    run = run_once(tiny, inferences=3)
    assert (run.error, run.runtime) == (None, "ai-edge-litert")
    assert run.version
    assert len(run.seconds) == 3
    (output,) = run.outputs
    assert (output.type, output.bytes) == ("float32", 40)
    assert output.sum is not None


def test_the_same_seed_gives_the_same_outputs_and_another_gives_others(tiny: Path) -> None:
    first, again, other = run_once(tiny), run_once(tiny), run_once(tiny, seed=2)
    assert first.outputs == again.outputs
    assert first.outputs[0].crc32 != other.outputs[0].crc32


def test_a_damaged_model_is_an_error_and_not_a_crash(tiny: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.tflite"
    cut.write_bytes(tiny.read_bytes()[:5000])
    run = run_once(cut)
    assert not run.ok
    assert run.outputs == ()


def test_a_custom_operator_that_the_runtime_lacks_is_named(tiny: Path, tmp_path: Path) -> None:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(tiny.read_bytes()))
    code = model.operatorCodes[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    code.customCode = b"MyVeryOwnOp"
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), b"TFL3")
    file = tmp_path / "custom.tflite"
    file.write_bytes(builder.Output())
    run = run_once(file)
    assert run.missing_op == "MyVeryOwnOp"
    assert run.error is not None


def test_a_process_that_dies_is_an_error_that_names_the_signal(tmp_path: Path, tiny: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nkill -SEGV $$\n")
    python.chmod(0o755)
    run = run_once(tiny, python=str(python))
    assert run.error == "its process was ended by SIGSEGV"


def test_a_process_whose_parent_was_killed_ends_by_itself(tiny: Path) -> None:
    request = {
        "runtime": "ai-edge-litert", "inputs": inputs.__file__, "ends_after_s": 2, "do": "run",
        "model": str(tiny), "threads": 1, "seed": 1, "inferences": 10**12,
    }  # fmt: skip
    script = Path(host.__file__).with_name("host_process.py")
    argv = [sys.executable, "-I", str(script), json.dumps(request)]
    done = subprocess.run(argv, capture_output=True, timeout=60, check=False)
    assert done.returncode == -signal.SIGALRM


def test_a_process_that_hangs_is_ended_at_the_deadline(tmp_path: Path, tiny: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexec sleep 60\n")
    python.chmod(0o755)
    run = run_once(tiny, python=str(python), deadline_s=0.3)
    assert run.error == "it was still running after 0.3 s"


def test_a_process_that_says_nothing_sensible_is_an_error(tmp_path: Path, tiny: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho '[1]'; echo out of cheese >&2; exit 7\n")
    python.chmod(0o755)
    run = run_once(tiny, python=str(python))
    assert run.error == "its process ended with status 7 and no answer (out of cheese)"


def test_a_runtime_that_is_not_installed_says_how_to_install_it(tiny: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho \'{"no_runtime": "No module named x"}\'\n')
    python.chmod(0o755)
    with pytest.raises(ModelError, match=rf"pip install tflite-runtime.*{PYTHON_VARIABLE}"):
        run_once(tiny, runtime="tflite-runtime", python=str(python))
    with pytest.raises(ModelError, match="'/no/python' can't be started"):
        ask({}, runtime="tflite-runtime", deadline_s=5, python="/no/python")


def test_a_missing_file_never_reaches_a_runtime(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model file"):
        run_once(tmp_path / "gone.tflite")
