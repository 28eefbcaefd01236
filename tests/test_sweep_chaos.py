"""A hundred faults at random in one sweep: 0 lost, 0 doubled. benchmarks/faults.py tells more."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from chaos import sky, storm
from sweep_rig import SWEEP

# Which faults come is the seed's, and when, as far as the machine's own timing allows.
SEED = int(os.environ.get("BENCH_CHAOS_SEED", "1"))


@pytest.mark.timeout(600)  # beside a busy machine's other work it took 140 s
def test_a_hundred_faults_at_random_lose_and_double_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with sky(tmp_path) as rig:
        rig.write(SWEEP.format(repetitions=20, seconds=0.05))
        seen = storm(rig, faults=100, seed=SEED)
        print(seen)
        assert (seen.planned, seen.lost, seen.doubled) == (120, 0, 0), seen
        assert seen.faults.total() == 100
        assert rig.is_complete()
