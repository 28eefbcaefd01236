"""A column of facts for each trial of a cell."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bench import stats
from bench.frame.cells import Done
from bench.frame.endured import Endured
from bench.frame.passes import busy_cores, energy_of
from bench.records import (
    Check,
    Energy,
    Measurement,
    MemoryAt,
    MemoryPass,
    OpTime,
    Reported,
    Trial,
)
from bench.report import text
from bench.report.states import states

MOST_KINDS = 4  # types of operators that are told of a trial


def facts(trials: Sequence[Done]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Rows of facts, those left out that no trial tells."""
    for told in zip(*(_groups(done.trial, done.endured) for done in trials), strict=True):
        for what in dict.fromkeys(key for group in told for key in group):
            yield what, tuple(group.get(what, text.NONE) for group in told)


def _groups(trial: Trial, endured: Endured | None) -> Iterator[dict[str, str]]:
    """Facts that belong together, as many groups for every trial."""
    yield {"ended": trial.status} | _waiting(trial)
    yield _measured(trial.measurement) if trial.measurement else {}
    yield _reported(trial.reported) if trial.reported else {}
    yield _check(trial.check) if trial.check else {}
    yield _operators(trial.ops)
    yield _memory(trial.memory) if trial.memory else {}
    yield _energy(trial.energy) if trial.energy else {}
    yield _sustained(endured) if endured else {}
    yield states(trial.state_before, trial.state_after)
    yield _origin(trial)


def _waiting(trial: Trial) -> dict[str, str]:
    told = {"tries": str(trial.tries)} if trial.tries > 1 else {}
    if trial.waited_s > 0:
        told["waited, s"] = f"{trial.waited_s:,.0f} for {', '.join(trial.waited_for) or text.NONE}"
    return told


def _measured(measured: Measurement) -> dict[str, str]:
    samples, interval = measured.samples_us, stats.median_interval(measured.samples_us)
    ms, others = text.milliseconds, busy_cores(measured.usage)
    return {
        "median, ms": ms(stats.median(samples)),
        "its 95 % interval, ms": f"{ms(interval.low)}–{ms(interval.high)}"
        if interval
        else text.NONE,
        "90th percentile, ms": ms(stats.percentile(samples, 90)),
        "99th percentile, ms": ms(stats.percentile(samples, 99)),
        "samples": f"{len(samples):,}",
        "warm-ups": f"{len(measured.warmup_us):,}",
        "sampling ended by": measured.stopped_by,
        **({"busy with others, cores": f"{others:.2f}"} if others is not None else {}),
        "first inference, ms": ms(measured.first_inference_us),
        "init, ms": ms(measured.init_us),
        "compile, ms": ms(measured.compile_us),
        "peak memory, MiB": text.mebibytes(measured.memory.peak_kb),
        "delegation": measured.delegation or "not told",
        "clock": text.clean(measured.clock),
        "input": text.clean(measured.input_source, 24),
    }


def _reported(told: Reported) -> dict[str, str]:
    ms = text.milliseconds
    return {
        "reported by": text.clean(told.tool),
        "mean, ms": ms(told.mean_us),
        "median, ms": ms(told.median_us),
        "standard deviation, ms": ms(told.std_us),
        "samples": f"{told.count:,}",
        "first inference, ms": ms(told.first_inference_us),
        "init, ms": ms(told.init_us),
        "delegation": told.delegation or "not told",
    }


def _check(check: Check) -> dict[str, str]:
    """The outputs against those of the host."""
    told = [text.clean(check.reason, 120) if check.reason else "as the host’s"]
    if check.snr_db is not None:
        told.append(f"{check.snr_db:.0f} dB")
    if check.top1_agreement is not None:
        told.append(f"top-1 {check.top1_agreement:.0%}")
    host = f"{text.clean(check.runtime, 40)} {text.clean(check.version or '', 20)}".strip()
    return {"outputs": ", ".join(told), "the host ran": host}


def _operators(ops: Sequence[OpTime]) -> dict[str, str]:
    """Types of operators by their share of a profile, the largest first."""
    times: dict[str, float] = {}
    for op in ops:
        times[op.op] = times.get(op.op, 0.0) + op.mean_us
    total = sum(times.values())
    if not total:
        return {}
    largest = sorted(times.items(), key=lambda one: -one[1])[:MOST_KINDS]
    shares = [f"{text.clean(op, 30)} {us / total:.0%}" for op, us in largest]
    return {"operators by time": ", ".join(shares)}


def _memory(memory: MemoryPass) -> dict[str, str]:
    """Proportional set size (PSS) after each step, and the peak until then."""
    return {
        "PSS baseline, MiB": _memory_at(memory.baseline),
        "PSS after load, MiB": _memory_at(memory.load),
        "PSS after compile, MiB": _memory_at(memory.compile),
        "PSS after first, MiB": _memory_at(memory.first),
        "PSS steady, MiB": _memory_at(memory.steady),
    }


def _memory_at(at: MemoryAt) -> str:
    peak = f" (peak {text.mebibytes(at.peak_kb)})" if at.peak_kb is not None else ""
    return text.mebibytes(at.pss_kb) + peak


def _energy(energy: Energy) -> dict[str, str]:
    told = energy_of(energy)
    if told is None:
        return {"energy of an inference, mJ": "not told"}
    return {
        "energy of an inference, mJ": _estimate(told.gross_mj),
        **({"beyond idling, mJ": _estimate(told.net_mj)} if told.net_mj else {}),
        "energy by": f"{energy.source}, {len(energy.busy)} readings",
    }


def _estimate(told: stats.Estimate) -> str:
    return f"{text.significant(told.value)} ({text.span(told.interval) or 'no interval'})"


def _sustained(run: Endured) -> dict[str, str]:
    ends, ms = run.ends, text.milliseconds
    if ends is None:
        return {}
    return {
        "sustained for, s": f"{run.seconds:,.0f}",
        "its first and last minute, ms": f"{ms(ends.first)} → {ms(ends.last)},"
        f" × {text.ratio(ends.ratio)}",
    }


def _origin(trial: Trial) -> dict[str, str]:
    told = {"took, s": f"{trial.duration_s:,.1f}", "model": trial.model_sha256[:12]}
    if trial.runner is not None:
        runner = trial.runner
        told["runner"] = text.clean(
            f"{runner.name} {runner.version or 'version not told'} {runner.sha256[:12]}"
        )
        sha256 = runner.library_sha256
        library = f"{runner.library_version or ''} {sha256[:12] if sha256 else 'in the runner'}"
        told["LiteRT library"] = text.clean(library.strip())
    return told
