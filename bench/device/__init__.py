"""All talk with a phone: find it, run, push, pull, ask what it is and how it is."""

from bench.device.adb import connect, list_phones, usable_phones
from bench.device.adb_phone import AdbPhone
from bench.device.describe import describe, inspect, read_load, read_state
from bench.device.ensure import ensure
from bench.device.fitness import fitness
from bench.device.lock import Hold, break_hold, held
from bench.device.parse.devices import Listed
from bench.device.parse.load import Load
from bench.device.phone import WORK_DIR, Finished, Phone, content_path
from bench.device.power import judge_power, read_power, why_no_power
from bench.device.prepare import (
    Applied,
    Preparation,
    clean,
    prepared,
    remove_leftovers,
    restore_leftovers,
)
from bench.device.server import AdbServer, default_server, private_server
from bench.device.survey import Seen, survey
from bench.device.target import Target, connect_target, parse_server, parse_target
from bench.device.watch import watched

__all__ = [
    "WORK_DIR",
    "AdbPhone",
    "AdbServer",
    "Applied",
    "Finished",
    "Hold",
    "Listed",
    "Load",
    "Phone",
    "Preparation",
    "Seen",
    "Target",
    "break_hold",
    "clean",
    "connect",
    "connect_target",
    "content_path",
    "default_server",
    "describe",
    "ensure",
    "fitness",
    "held",
    "inspect",
    "judge_power",
    "list_phones",
    "parse_server",
    "parse_target",
    "prepared",
    "private_server",
    "read_load",
    "read_power",
    "read_state",
    "remove_leftovers",
    "restore_leftovers",
    "survey",
    "usable_phones",
    "watched",
    "why_no_power",
]
