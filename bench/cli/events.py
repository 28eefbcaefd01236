"""A sweep's events as JSON, one object a line, for programs that start sweeps."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import msgspec

from bench.records import device_id

if TYPE_CHECKING:
    from bench.engine import Event


def print_event(event: Event) -> None:
    """Print one event of `bench.engine`; its `event` key names what it is."""
    sys.stdout.write(msgspec.json.encode(_told(event)).decode() + "\n")
    sys.stdout.flush()


def _told(event: Event) -> dict[str, Any]:
    from bench import engine

    match event:
        case engine.ModelReady(step, done, total):
            return {"event": "model_ready", "step": step, "done": done, "total": total}
        case engine.SweepStarted():
            return {
                "event": "sweep_started",
                "path": str(event.path),
                "devices": list(event.devices),
                "runners": list(event.runners),
                "models": [model.name for model in event.models],
                "trials": event.trials,
                "done": event.done,
                "shares": [share._asdict() for share in event.shares],
                "skips": dict(event.skips),
            }
        case engine.TrialStarted(device, planned):
            return {"event": "trial_started", "device": device_id(device), "planned": planned}
        case engine.TrialEnded(device, trial):
            return {"event": "trial_ended", "device": device_id(device), "trial": trial}
        case engine.TrialRepeated(device, trial, reason):
            return {
                "event": "trial_repeated",
                "device": device_id(device),
                "trial": trial,
                "reason": reason,
            }
        case engine.PhoneUnfit(device, doubt, max_wait_s):
            return {
                "event": "phone_unfit",
                "device": device_id(device),
                "doubt": doubt,
                "max_wait_s": max_wait_s,
            }
        case engine.PhoneNoted(device, note):
            return {"event": "phone_noted", "device": device_id(device), "note": note}
        case engine.PhoneWaited(device, reason):
            return {"event": "phone_waited", "device": device_id(device), "reason": reason}
        case engine.PhoneFit(device):
            return {"event": "phone_fit", "device": device_id(device)}
        case engine.PhoneMissing(target, error):
            return {"event": "phone_missing", "target": target, "error": str(error)}
        case engine.PhoneStopped(device, error):
            return {"event": "phone_stopped", "device": device_id(device), "error": str(error)}
        case engine.PhoneDone(device):
            return {"event": "phone_done", "device": device_id(device)}
