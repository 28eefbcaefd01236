"""Parsers of what phones print: a value is right or None, whatever the text."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.device.parse.battery import Battery, parse_battery
from bench.device.parse.cpufreq import Cpus, parse_cpus
from bench.device.parse.cpuinfo import parse_cpuinfo
from bench.device.parse.cpulist import parse_cpu_list
from bench.device.parse.devices import Listed, parse_devices
from bench.device.parse.df import parse_df
from bench.device.parse.gauge import ma_per_unit, parse_gauge, why_fed
from bench.device.parse.getprop import parse_getprop
from bench.device.parse.identity import abis, identity, soc
from bench.device.parse.power import parse_screen
from bench.device.parse.proc import parse_kernel, parse_loadavg, parse_meminfo
from bench.device.parse.sections import split_sections
from bench.device.parse.text import printable
from bench.device.parse.thermal import Thermal, parse_thermalservice
from bench.device.parse.zones import parse_zones
from bench.records import Cluster

# --- totality -----------------------------------------------------------------------------

PARSERS: list[Callable[[str], object]] = [
    parse_battery,
    parse_cpus,
    parse_cpuinfo,
    parse_cpu_list,
    parse_devices,
    parse_df,
    parse_getprop,
    parse_kernel,
    parse_loadavg,
    parse_meminfo,
    parse_screen,
    parse_thermalservice,
    parse_zones,
    printable,
    why_fed,
    lambda text: parse_gauge(text.split("\n")),
]

# Pieces that parsers look for, so that chance makes texts which almost are the real thing.
PIECES = [
    "[ro.serialno]: [x]", "[a]: [", "]", "\n", "\r\n", "\t", " ", ":", "  level: 9", "scale: 0",
    "temperature: -99999999", "status: 2", "present: false", "UPDATES STOPPED", "processor\t: 0",
    "CPU part\t: 0xd03", "CPU implementer\t: 0x41", "Features\t: a b", "Hardware : Qualcomm SM8635",
    "cpu0/cpufreq/related_cpus: 0 1", "cpufreq/policy4/related_cpus: 4-7", "possible: 0-9999",
    "cpu1/cpufreq/scaling_cur_freq: 99999999999", "Thermal Status: 3", "IsStatusOverride: true",
    "Current temperatures from HAL:", "Temperature{mValue=1E99, mType=0, mName=a, mStatus=0}",
    "Temperature{mValue=., mType=3, mName=TYPE_BATTERY, mStatus=0}", "cpu-therm: 48500", "-274000",
    "mWakefulness=Awake", "Display Power: state=OFF", "MemTotal: 1 kB", "0.1 0.2 0.3 1/2 3",
    "0.10 0.20 0.30 1/2 3", "X device usb:1", "no permissions (", "1K-blocks Available",
    "AC powered: true", "dumpsys current now: -1", "battery/voltage_now: 4006", "current_now:",
    " 1 2 3 4% /", "Linux version 4.19.1", "٣", "²", "\0", "\u2028", "\x85",
]  # fmt: skip

texts = st.one_of(st.text(), st.lists(st.sampled_from(PIECES)).map("".join))


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.__name__)
@given(text=texts)
def test_any_text_gives_a_record_and_never_an_exception(
    parser: Callable[[str], object], text: str
) -> None:
    parser(text)


@pytest.mark.parametrize("parser", PARSERS, ids=lambda parser: parser.__name__)
@pytest.mark.parametrize(
    "piece", [" ", "\n", "\t", "\r", "a ", "a: ", "/", "(", "1 ", "[a]: [", "9"]
)
def test_a_megabyte_of_one_thing_costs_no_more_than_its_length(
    parser: Callable[[str], object], piece: str
) -> None:
    parser(f"A{piece * (1_000_000 // len(piece))}!")  # a quadratic parser takes an hour


@given(st.dictionaries(st.sampled_from(["ro.soc.model", "ro.serialno", "ro.chipname"]), texts))
def test_any_property_value_is_survived(props: dict[str, str]) -> None:
    identity(props)
    abis(props)
    soc(props, props.get("ro.chipname"))


@given(st.text(), st.text(alphabet="0123456789abcdef", min_size=16, max_size=16))
def test_sections_of_any_text_are_survived(text: str, nonce: str) -> None:
    assert split_sections(text, nonce) is None


# --- sections of probe.sh -----------------------------------------------------------------


def test_sections_are_cut_at_their_headings() -> None:
    text = "\n== n1 one\na\n\n== n1 two\r\nb\n== n2 three\n\n== n1 end\n"
    assert split_sections(text, "n1") == {"one": "a\n", "two": "b\n== n2 three\n", "end": ""}


def test_an_output_without_its_end_is_none_not_a_part() -> None:
    assert split_sections("\n== n1 one\na\n\n== n1 en", "n1") is None


# --- getprop ------------------------------------------------------------------------------


def test_properties_are_read_through_noise_line_ends_and_prompts() -> None:
    text = "sdm660:/ # getprop\r\n[a.b]: [c]\r\n[empty]: []\r\n[x]: [y z] ]\r\nsdm660:/ # "
    assert parse_getprop(text) == {"a.b": "c", "empty": "", "x": "y z] "}


def test_a_value_of_several_lines_is_one_value() -> None:
    text = '[h]: [reboot,1\nshutdown,2]\n[j]: [{"a": [1]\n[2]]\n}]\n[z]: [1]\n'
    assert parse_getprop(text) == {"h": "reboot,1\nshutdown,2", "j": '{"a": [1]\n[2]]\n}', "z": "1"}


def test_a_property_that_is_told_twice_in_different_ways_is_left_out() -> None:
    assert parse_getprop("[a]: [1]\n[b]: [2]\n[a]: [3]\n") == {"b": "2"}


def test_a_value_that_was_cut_is_left_out() -> None:
    assert parse_getprop("[a]: [1]\n[b]: [2") == {"a": "1"}
    assert parse_getprop("[a]: [1]\n[b]: [2]\n3\n4]\n") == {"a": "1"}


def test_a_bare_carriage_return_before_the_bracket_is_dropped() -> None:
    assert parse_getprop("[a]: [1\r]\n[b]: [2]\n") == {"a": "1", "b": "2"}


# --- identity -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "props",
    [
        {},
        {"ro.serialno": "unknown"},
        {"ro.serialno": "0123456789ABCDEF"},
        {"ro.serialno": "00000000"},
        {"ro.serialno": "a\nb"},
        {"ro.serialno": "EMULATOR35X2X10X0", "ro.boot.qemu": "1"},
    ],
)
def test_a_serial_that_phones_share_is_no_identity(props: dict[str, str]) -> None:
    assert identity(props) is None


def test_the_identity_falls_back_to_the_boot_loaders_serial() -> None:
    assert identity({"ro.serialno": "1234567", "ro.boot.serialno": "c0ffee01"}) == "c0ffee01"


@pytest.mark.parametrize(
    ("props", "hardware", "chip"),
    [
        ({"ro.soc.manufacturer": "Google", "ro.soc.model": "Tensor G3"}, None, "Google Tensor G3"),
        ({"ro.board.platform": "exynos5", "ro.chipname": "exynos8895"}, None, "exynos8895"),
        ({"ro.board.platform": "exynos5"}, None, None),
        ({"ro.board.platform": "msm8952"}, "Qualcomm Technologies, Inc MSM8956", "MSM8956"),
        ({"ro.board.platform": "msm8952"}, None, None),
        ({"ro.mediatek.platform": "MT6755", "ro.board.platform": "mt6750"}, "MT6738", "MT6738"),
        ({"ro.board.platform": "msm8960"}, "QCT APQ8064 MTP", "APQ8064"),
        ({}, "Qualcomm APQ 8084 (Flattened Device Tree)", "APQ8084"),
        ({}, "SAMSUNG SM-G960F", None),
        ({"ro.board.platform": "", "ro.hardware": "qcom"}, "fuji", None),
    ],
)
def test_the_chip_is_named_by_the_best_that_names_one(
    props: dict[str, str], hardware: str | None, chip: str | None
) -> None:
    assert soc(props, hardware) == chip


def test_abis_of_phones_before_android_5_come_from_the_older_properties() -> None:
    assert abis({"ro.product.cpu.abi": "armeabi-v7a", "ro.product.cpu.abi2": "armeabi"}) == (
        "armeabi-v7a",
        "armeabi",
    )
    assert abis({"ro.product.cpu.abilist": "arm64-v8a, x;rm -rf"}) == ("arm64-v8a",)


# --- cores and clocks ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "cores"),
    [
        ("0-3,5", (0, 1, 2, 3, 5)),
        ("0 1 2\n", (0, 1, 2)),
        ("", ()),
        ("4,8", (4, 8)),
        ("3-1", None),
        ("0-99999", None),
        ("a", None),
        ("٣", None),
    ],
)
def test_lists_of_cores(text: str, cores: tuple[int, ...] | None) -> None:
    assert parse_cpu_list(text) == cores


POLICIES = """/sys/devices/system/cpu/possible: 0-5
/sys/devices/system/cpu/present: 0-5
/sys/devices/system/cpu/online: 0-4
/sys/devices/system/cpu/cpufreq/policy0/related_cpus: 0 1 2 3
/sys/devices/system/cpu/cpufreq/policy0/cpuinfo_max_freq: 1800000
/sys/devices/system/cpu/cpufreq/policy0/scaling_cur_freq: 300000
/sys/devices/system/cpu/cpufreq/policy0/scaling_max_freq: 1500000
/sys/devices/system/cpu/cpufreq/policy0/scaling_governor: schedutil
/sys/devices/system/cpu/cpufreq/policy4/related_cpus: 4 5
/sys/devices/system/cpu/cpufreq/policy4/cpuinfo_max_freq: 2400000
/sys/devices/system/cpu/cpufreq/policy4/scaling_cur_freq: 2100000
/sys/devices/system/cpu/cpufreq/policy4/scaling_max_freq: <unsupported>
/sys/devices/system/cpu/cpufreq/policy4/scaling_governor: $(reboot)
"""


def test_clusters_caps_and_clocks_come_from_the_policies() -> None:
    assert parse_cpus(POLICIES) == Cpus(
        cores=6,
        clusters=(
            Cluster(cpus=(0, 1, 2, 3), max_khz=1_800_000),
            Cluster(cpus=(4, 5), max_khz=2_400_000),
        ),
        current_khz={0: 300_000, 1: 300_000, 2: 300_000, 3: 300_000, 4: 2_100_000},
        cap_khz={0: 1_500_000, 1: 1_500_000, 2: 1_500_000, 3: 1_500_000},
        governors=("schedutil",),
    )


def test_clusters_that_overlap_are_no_clusters() -> None:
    text = "cpu0/cpufreq/related_cpus: 0 1\ncpu1/cpufreq/related_cpus: 1 2\n"
    assert parse_cpus(text).clusters == ()


def test_cores_of_one_cluster_that_disagree_on_its_clock_leave_it_unknown() -> None:
    text = (
        "cpu0/cpufreq/related_cpus: 0 1\ncpu0/cpufreq/cpuinfo_max_freq: 1000000\n"
        "cpu1/cpufreq/related_cpus: 0 1\ncpu1/cpufreq/cpuinfo_max_freq: 2000000\n"
    )
    assert parse_cpus(text).clusters == (Cluster(cpus=(0, 1)),)


def test_a_count_of_cores_that_the_kernel_contradicts_is_none() -> None:
    assert parse_cpus("possible: 0-31\npresent: 0-7\n").cores is None
    assert parse_cpus("possible: 0-7\npresent: 0,4-7\n").cores == 8


def test_the_processor_line_in_upper_case_is_no_core() -> None:
    text = "Processor\t: AArch64 Processor rev 4 (aarch64)\nprocessor\t: 0\nprocessor\t: 1\n"
    assert parse_cpuinfo(text).listed == (0, 1)


def test_features_are_those_of_every_core_and_parts_need_a_block_each() -> None:
    block = "processor\t: {}\nFeatures\t: {}\nCPU implementer\t: 0x41\nCPU part\t: {}\n\n"
    both = block.format(0, "asimd asimddp", "0xd05") + block.format(4, "asimd", "0xd03")
    info = parse_cpuinfo(both + "Hardware\t: Qualcomm  X\n")
    assert info.features == {"asimd"}
    assert info.parts == {0: "0x41:0xd05", 4: "0x41:0xd03"}
    assert info.hardware == "Qualcomm X"
    one_for_all = "processor\t: 0\nprocessor\t: 1\nCPU implementer\t: 0x41\nCPU part\t: 0xd03\n"
    assert parse_cpuinfo(one_for_all).parts == {}


# --- the battery's gauge ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currents", "unit"),
    [
        ([141], 1.0),  # Galaxy 2018, dumpsys
        ([-291], 1.0),  # max77696
        ([-395_600, -426_300], 0.001),  # qpnp
        ([-1_202_147], 0.001),  # Mi 6
        ([-500, -7011, 350_000], 0.001),  # near full, and then under load
        ([-7011], None),  # 7 A or 7 mA
        ([15_999], None),
        ([0, 0], None),
        ([], None),
        ([10**12], None),
    ],
)
def test_the_unit_of_a_current_is_that_in_which_a_phone_could_live(
    currents: list[int], unit: float | None
) -> None:
    assert ma_per_unit(currents) == unit


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ["/sys/class/power_supply/battery/current_now: -312000", "x/voltage_now: 4102500"],
            ("power_supply", -312_000, 4102.5),
        ),
        (["x/current_now: -291", "x/voltage_now: 4006"], ("power_supply", -291, 4006.0)),
        (
            ["dumpsys voltage: 4312", "dumpsys current now: 141", "dumpsys voltage: 1"],
            ("dumpsys", 141, 4312.0),
        ),
        (["dumpsys voltage: 13"], (None, None, None)),  # a TV box without a battery
        (["x/voltage_now: -22"], (None, None, None)),  # an errno for a value
        (["x/current_now: 12e3", "zone current_now: 1"], (None, None, None)),
    ],
)
def test_a_gauge_is_read_as_it_stands_there(
    lines: list[str], told: tuple[str | None, int | None, float | None]
) -> None:
    assert parse_gauge(lines) == told


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("  USB powered: true\n  status: 3", "the phone is on USB power, not on its battery alone"),
        ("  AC powered: false\n  Dock powered: true\r\n", "the phone is on Dock power"),
        ("  MOD powered: true", "the phone is on MOD power"),
        ("  USB powered: false\n  status: 2\n  status: 3", "the battery charges"),
        ("status: 5", "the battery is full and on its charger"),
        ("  (UPDATES STOPPED -- use 'reset' to restart)\n  status: 3", "set by hand"),
        ("  AC powered: false\n  status: 3\n mod status: 2", None),
        ("  AC powered: false\n  status: 4", None),
        ("", None),
    ],
)
def test_a_phone_that_is_fed_says_by_what(text: str, why: str | None) -> None:
    found = why_fed(text)
    assert (found is None) == (why is None)
    assert why is None or why in str(found)


# --- battery ------------------------------------------------------------------------------

HYPEROS = """Current Battery Service state:
  USB powered: true
  status: 2
  present: true
  level: 47
  Capacity level: 3
  scale: 100
  voltage: 4074
  temperature: 331
 Time when the latest updated value of the voltage was sent via broadcast: +2d17h
 The last voltage value sent via the battery changed broadcast: 4074
MiuiBatteryService first usage time:
  mod level: 1
  level: 99
"""


def test_a_battery_is_read_by_whole_lines_and_the_first_of_each() -> None:
    assert parse_battery(HYPEROS) == Battery(level=47, temp_c=33.1, charging=True)


@pytest.mark.parametrize(
    "line",
    [
        "  (UPDATES STOPPED -- use 'reset' to restart)",
        "  present: false",
        "  voltage: 13",
    ],
)
def test_a_battery_that_is_made_up_tells_nothing(line: str) -> None:
    assert parse_battery(f"{line}\n{HYPEROS}") == Battery()


@pytest.mark.parametrize(
    ("text", "battery"),
    [
        ("level: 101\nscale: 100", Battery()),
        ("level: 5\nscale: 10", Battery(level=50)),
        ("level: 5\nscale: 0", Battery()),
        ("level: -1", Battery()),
        ("temperature: 0", Battery()),
        ("temperature: -100", Battery(temp_c=-10.0)),
        ("temperature: 26000", Battery()),
        ("temperature: 45", Battery()),  # 4.5 °C, or 45 where whole degrees are told
        ("temperature: 5", Battery(temp_c=0.5)),
        ("status: 1", Battery()),
        ("status: 5", Battery(charging=False)),
    ],
)
def test_a_value_that_can_not_be_is_none(text: str, battery: Battery) -> None:
    assert parse_battery(text) == battery


# --- temperatures -------------------------------------------------------------------------


def thermal(*sensors: str, head: str = "Thermal Status: 0") -> str:
    listed = "".join(f"\tTemperature{{{sensor}, mStatus=0}}\n" for sensor in sensors)
    cached = "Cached temperatures:\n\tTemperature{mValue=84.2, mType=0, mName=CPU, mStatus=0}\n"
    hal = f"HAL Ready: true\nCurrent temperatures from HAL:\n{listed}"
    return f"{head}\n{cached}{hal}Current cooling devices from HAL:\n"


def test_only_what_the_hal_says_now_is_a_temperature() -> None:
    text = thermal("mValue=30.1, mType=3, mName=test sensor 2")
    assert parse_thermalservice(text) == Thermal(0, {"test sensor 2": 30.1})
    cached_only = text.replace("Current temperatures from HAL:", "HAL connection:")
    assert parse_thermalservice(cached_only) == Thermal(0, {})


def test_what_is_no_temperature_or_no_living_sensor_is_left_out() -> None:
    text = thermal(
        "mValue=11900.0, mType=7, mName=ocp_gpu",
        "mValue=4.384, mType=6, mName=vbat",
        "mValue=19.0, mType=8, mName=soc",
        "mValue=-1.8, mType=-1, mName=USB2-MINUS-QI",
        "mValue=0.0, mType=2, mName=SUBBAT",
        "mValue=-99.9, mType=5, mName=PA",
        "mValue=-5700.0, mType=3, mName=x",
        "mValue=41.5, mType=13, mName=AP",
    )
    assert parse_thermalservice(text).temps_c == {"AP": 41.5}


def test_types_that_samsung_counts_from_one_are_shifted_back() -> None:
    text = thermal(
        "mValue=24.4, mType=3, mName=TYPE_BATTERY",
        "mValue=24.0, mType=6, mName=TYPE_POWER_AMPLIFIER",
    )
    assert set(parse_thermalservice(text).temps_c) == {"TYPE_BATTERY", "TYPE_POWER_AMPLIFIER"}


def test_an_overridden_or_repeated_status_is_none() -> None:
    assert parse_thermalservice(thermal(head="Thermal Status: 4")).status == 4
    overridden = thermal(head="IsStatusOverride: true\nThermal Status: 4")
    assert parse_thermalservice(overridden).status is None
    assert parse_thermalservice("Thermal Status: 1\nThermal Status: 2").status is None
    assert parse_thermalservice("Can't find service: thermalservice") == Thermal()


@pytest.mark.parametrize(
    ("line", "temps"),
    [
        ("cpu0-gold-usr: 35200", {"cpu0-gold-usr": 35.2}),
        ("tsens_tz_sensor2: 412", {"tsens_tz_sensor2": 41.2}),
        ("CPU-therm: 30", {"CPU-therm": 30.0}),
        ("tsens_tz_sensor0: 100", {}),  # a dead sensor, or 10.0, or 100
        ("mtktspa: -127000", {}),
        ("camera-therm-usr: -40000", {}),
        ("pm8150b-vbat-lvl0: 3986", {}),
        ("pm8150b-ibat-lvl0: 546", {}),
        ("soc: 72", {}),
        ("battery_cycle: 300", {}),
        ("gpu-skin-avg-step: 27600", {}),
        ("cpu1-silver-step: 35000", {"cpu1-silver-step": 35.0}),
        ("xyz: 35000", {}),
        ("battery: 25500\nbattery: 31000", {}),
    ],
)
def test_a_zone_counts_where_its_type_and_unit_are_beyond_doubt(
    line: str, temps: dict[str, float]
) -> None:
    assert parse_zones(line) == temps


# --- the rest -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "on"),
    [
        ("  mWakefulness=Awake\n", True),
        ("  mWakefulness=Dozing\n", False),
        ("  mWakefulness=Dreaming\r\n", True),
        ("  mWakefulnessChanging=false\n  mWakefulnessRaw=Asleep\n", None),
        ("  mWakefulness=Asleep\nDisplay Power: state=ON\n", False),
        ("Display Power: state=ON\n", True),
        ("Display Power: com.android.server.power.PowerManagerService$1@529e95c\n", None),
        ("mPowerState=SCREEN_BRIGHT_BIT SCREEN_ON_BIT \n", True),
        ("mPowerState=0\n", False),
        ("", None),
    ],
)
def test_the_screen(text: str, on: bool | None) -> None:
    assert parse_screen(text) is on


def test_memory_load_and_kernel() -> None:
    info = parse_meminfo("MemTotal:        7840076 kB\nMemAvailable:    4000000 kB\n")
    assert (info.total_kb, info.available_kb) == (7_840_076, 4_000_000)
    assert parse_meminfo("MemTotal: 1 MB\n").total_kb is None
    assert parse_loadavg("6.04 1.67 0.57 3/2100 9876\n") == 6.04
    assert parse_loadavg("6,04 1,67 0,57 3/2100 9876\n") is None
    assert parse_kernel("Linux version 4.19.113-perf+ (build@x) #1 SMP\n") == "4.19.113-perf+"
    assert parse_kernel("5.10.43-android12-9\n") == "5.10.43-android12-9"
    assert parse_kernel("sh: uname: not found\n") is None


def test_free_space_is_read_in_1k_blocks_only() -> None:
    toybox = "Filesystem      1K-blocks     Used Available Use% Mounted on\n"
    assert parse_df(f"{toybox}/dev/block/a b   100  40  60  40% /data\n") == 60
    assert (
        parse_df("Filesystem  Size  Used  Free  Blksize\n/data  12.9G  1.2G  11.7G  4096\n") is None
    )
    assert parse_df("df: -k: No such file or directory\n") is None


def test_the_list_of_phones_survives_noise_spaces_and_sentences() -> None:
    text = (
        "* daemon not running; starting now at tcp:5037\nList of devices attached \r\n"
        "adb server version (41) doesn't match this client (39); killing...\n"
        "adb-0123 (2)._adb-tls-connect._tcp device product:x model:Pixel_10 transport_id:3\r\n"
        "19028B2305  no permissions (user in plugdev; rules wrong?); see [http://x] usb:1-1\n"
        "emulator-5556          offline transport_id:2\nnot a line of the list\n"
    )
    assert parse_devices(text) == [
        Listed(
            "adb-0123 (2)._adb-tls-connect._tcp", "device", 3, {"product": "x", "model": "Pixel_10"}
        ),
        Listed("19028B2305", "no permissions", None, {"usb": "1-1"}),
        Listed("emulator-5556", "offline", 2, {}),
    ]


def test_text_for_a_terminal_has_no_escapes_and_an_end() -> None:
    assert printable("a\x1b[31m\n b\u202e\0") == "a [31m b"
    assert len(printable("x" * 1000)) == 200
