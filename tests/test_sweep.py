"""A sweep file becomes a plan, or one error with the line of what is wrong."""

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import sweep
from bench.errors import SweepError
from bench.records import Config, Precision

WHOLE = """\
name = "widths"
repetitions = 3
seed = 7

[[models]]
family = "mobilenet_v1"
alpha = [1.0, 0.5]
resolution = 224

[[models]]
files = "my *.tflite"

[config]
threads = [1, 4]
delegate = ["xnnpack", "none"]

[precision]
interval = 0.02
max_seconds = 5
"""
MODELS = '[[models]]\nfamily = "mobilenet_v1"\n'


def load(folder, text):
    file = folder / "s.toml"
    file.write_text(text)
    return sweep.load(file)


def test_a_whole_file_is_read(tmp_path):
    (tmp_path / "my net.tflite").write_bytes(b"x")
    (tmp_path / "my other.tflite").write_bytes(b"x")
    loaded = load(tmp_path, WHOLE)
    assert (loaded.name, loaded.repetitions, loaded.seed) == ("widths", 3, 7)
    assert [spec.axes for spec in loaded.models[:2]] == [
        {"alpha": 1.0, "resolution": 224},
        {"alpha": 0.5, "resolution": 224},
    ]
    assert [spec.file for spec in loaded.models[2:]] == [
        str(tmp_path / "my net.tflite"),
        str(tmp_path / "my other.tflite"),
    ]
    assert len(loaded.configs) == 4
    assert loaded.configs[0] == Config(threads=1, delegate="xnnpack")
    assert loaded.precision == Precision(interval=0.02, max_seconds=5)


def test_repetitions_are_outermost_and_each_is_shuffled_by_the_seed(tmp_path):
    loaded = load(tmp_path, "repetitions = 3\n[config]\nthreads=[1,2,4]\n" + MODELS)
    plan = sweep.plan_trials(loaded, ["a", "b", "c"])
    assert [t.index for t in plan] == list(range(27))
    assert [t.repetition for t in plan] == [0] * 9 + [1] * 9 + [2] * 9
    rounds = [[(t.model, t.config.threads) for t in plan[i : i + 9]] for i in (0, 9, 18)]
    assert sorted(rounds[0]) == sorted(rounds[1]) == sorted(rounds[2])
    assert rounds[0] != rounds[1] != rounds[2]
    assert sweep.plan_trials(loaded, ["a", "b", "c"]) == plan


def test_another_seed_gives_another_order(tmp_path):
    orders = {
        tuple(
            t.model
            for t in sweep.plan_trials(load(tmp_path, f"seed = {s}\n" + MODELS), list("abcdefgh"))
        )
        for s in range(4)
    }
    assert len(orders) == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = ", "not TOML"),
        ("repetitons = 2\n" + MODELS, r"line 1: unknown key 'repetitons'.*'repetitions'"),
        (MODELS + "[config]\nthread = 1\n", r"line 4: unknown key 'thread'.*'threads'"),
        (MODELS + "[precision]\nintervall = 1\n", r"line 4: unknown key 'intervall'"),
        (MODELS + "[config]\n\nthreads = [1, 99]\n", r"line 5: threads must be 1 to 64, not 99"),
        (MODELS + "[config]\nthreads = true\n", r"line 4: threads must be a whole number"),
        (MODELS + '[config]\ndelegate = "tpu"\n', r"line 4: delegate must be one of 'xnnpack'"),
        (MODELS + '[config]\naffinity = "f0"\n', r"line 4: affinity is default, big"),
        (MODELS + '[config]\nxnnpack = "fast"\n', r"line 4: xnnpack is default, or fp16"),
        (MODELS + "[precision]\nmin_samples = 1.5\n", r"line 4: min_samples must be a whole"),
        (MODELS + "[precision]\nmax_seconds = nan\n", r"line 4: max_seconds lies between"),
        (MODELS + "alpha = []\n", r"line 3: alpha is empty"),
        (MODELS + "alpha = [1.0, 1.0]\n", r"line 3: alpha holds a value twice"),
        (MODELS + "alpha = [{a = 1}]\n", r"line 3: alpha holds \{'a': 1\}"),
        (MODELS + MODELS, r"line 3: 'mobilenet_v1'.* is asked for twice \(first in line 1\)"),
        (MODELS + 'files = "x"\n', r"line 1: .*either family or files"),
        ("[[models]]\nalpha = 1\n", r"line 1: .*either family or files"),
        ('[[models]]\nfiles = "no*.tflite"\n', r"line 2: files = 'no\*\.tflite' names no file"),
        ('name = "../up"\n' + MODELS, r"line 1: name is '\.\./up'"),
        ("repetitions = 0\n" + MODELS, r"line 1: repetitions must be a whole number from 1"),
        ("seed = true\n" + MODELS, r"line 1: seed must be a whole number"),
        ("models = 3\n", r"line 1: no models"),
        ("", "no models"),
        ("config = 1\n" + MODELS, r"line 1: config must be a table"),
        (MODELS + "[precison]\ninterval = 1\n", r"line 3: unknown key 'precison'.*'precision'"),
        ("\n[[config]]\nthreads = 1\n" + MODELS, r"line 2: config must be a table"),
        ("\nconfig = { threads = 99 }\n" + MODELS, r"line 2: threads must be 1 to 64"),
        ("config.threads = 1\nconfig.affinity = 'f0'\n" + MODELS, r"line 2: affinity is default"),
        ("seed = 1\nmodels = [{ family = 'vgg16', alpha = [] }]\n", r"line 2: alpha is empty"),
        ("# \x85 \u2028\nseed = true\n" + MODELS, r"line 2: seed must be a whole number"),
        (
            MODELS + "[precision]\nmax_seconds = 5\nwarmup_max_seconds = 900\n",
            r"line 5: warmup_max_seconds lies between 0 and 600 \(warmup_max_seconds = 900\)",
        ),
        (MODELS + f"alpha = 0x{'f' * 8000}\n", r"line 3: alpha holds a number of thousands"),
        (f"seed = 0x{'f' * 8000}\n" + MODELS, r"line 1: seed must be a whole number"),
        (f"seed = {'9' * 5000}\n" + MODELS, r"a value in it is too long"),
        (f"seed = {'[' * 9000}{']' * 9000}\n" + MODELS, r"nested too deeply"),
        (f'name = "{"a" * 9000}"\n' + MODELS, r"line 1: name is 'a{119}\.\.\., and it becomes"),
        (f'[[models]]\nfiles = "{"a" * 9000}"\n', r"line 2: files = 'a.* names no file"),
        (MODELS + f"alpha = {[*range(10_001)]}\n", r"line 1: it asks for 10001 models"),
        (
            MODELS + "[config]\naffinity = " + str([f"mask:{n:x}" for n in range(1, 10_002)]),
            r"line 3: it asks for 10001 configs, and 10000 are the most",
        ),
        (
            "repetitions = 9000\n" + MODELS + f"alpha = {[*range(1, 200)]}\n",
            r"line 1: it asks for 1791000 trials",
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, message):
    with pytest.raises(SweepError, match=message):
        load(tmp_path, text)


def test_a_name_may_hold_what_a_pattern_would_read(tmp_path):
    hostile = "a b;touch x$(id)[1]\n'\".tflite"
    (tmp_path / hostile).write_bytes(b"x")
    loaded = load(tmp_path, f"[[models]]\nfiles = {json.dumps(hostile)}\n")
    assert [spec.file for spec in loaded.models] == [str(tmp_path / hostile)]


def test_a_file_whose_name_is_no_text_is_refused_before_it_is_to_be_written_down(tmp_path):
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.tflite")).write_bytes(b"x")
    with pytest.raises(SweepError, match=r"line 2: .*\\udcff\.tflite' is no UTF-8 text. Rename"):
        load(tmp_path, '[[models]]\nfiles = "*.tflite"\n')


def test_a_mark_that_some_editors_put_first_is_read_over(tmp_path):
    assert load(tmp_path, "\ufeffseed = 3\n" + MODELS).seed == 3


def test_a_missing_file_a_folder_and_a_binary_are_each_named(tmp_path):
    with pytest.raises(SweepError, match=r"can't read the sweep file .*No such file"):
        sweep.load(tmp_path / "none.toml")
    with pytest.raises(SweepError, match="is a folder"):
        sweep.load(tmp_path)
    (tmp_path / "b.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SweepError, match="not UTF-8"):
        sweep.load(tmp_path / "b.toml")


@given(st.text(max_size=300))
def test_any_text_is_a_sweep_or_an_error_that_names_the_file(tmp_path_factory, text):
    file = tmp_path_factory.getbasetemp() / "any.toml"
    file.write_text(text, errors="ignore")
    complaint = complaint_of(file)
    assert complaint is None or str(file) in complaint


def complaint_of(file):
    try:
        sweep.load(file)
    except SweepError as error:
        return str(error)
    return None
