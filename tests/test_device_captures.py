"""Parsers on what real phones printed, where the collection of captures is at hand."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from bench.device.fitness import is_emulator
from bench.device.parse.battery import Battery, parse_battery
from bench.device.parse.cpufreq import parse_cpus
from bench.device.parse.cpuinfo import parse_cpuinfo
from bench.device.parse.devices import Listed, parse_devices
from bench.device.parse.df import parse_df
from bench.device.parse.getprop import parse_getprop
from bench.device.parse.identity import abis, identity, soc, told
from bench.device.parse.power import parse_screen
from bench.device.parse.proc import parse_meminfo
from bench.device.parse.rights import parse_root
from bench.device.parse.thermal import parse_thermalservice
from bench.device.parse.zones import parse_zones
from bench.records import Device

CAPTURES = Path(__file__).parents[2] / "shared" / "phone_captures"
pytestmark = pytest.mark.skipif(not CAPTURES.is_dir(), reason="no captures beside the checkout")

PHONES = sorted(path for path in CAPTURES.glob("*") if path.is_dir())


def capture(name: str) -> str:
    """A capture without the lines that say where it came from."""
    lines = (CAPTURES / name).read_bytes().decode("utf-8", "replace").split("\n")
    while lines and lines[0].startswith(("SOURCE:", "FORMAT:")):
        lines.pop(0)
    return "\n".join(lines)


def captures(pattern: str) -> list[str]:
    return sorted(str(path.relative_to(CAPTURES)) for path in CAPTURES.glob(pattern))


# --- properties and identity --------------------------------------------------------------


@pytest.mark.parametrize("name", captures("*/getprop*.txt"))
def test_every_property_of_every_phone_is_read(name: str) -> None:
    text = capture(name)
    starts = {line.split("]")[0][1:] for line in text.split("\n") if line.startswith("[")}
    props = parse_getprop(text)
    assert set(props) == {key for key in starts if f"[{key}]: [" in text}
    assert not any(value.endswith(("\r", "]]")) for value in props.values())


SOCS = {
    "poco-f6_peridot_sm8635_a15": "QTI SM8635",
    "pixel-8-pro_husky_zuma_a16": "Google Tensor G3",
    "redmi-note14-5g_citrine_mt6855_a15": "Mediatek MT6855",
    "galaxy-s9_exynos9810": "exynos9810",
    "galaxy-s5_msm8974_armv7": "MSM8974PRO",
    "xiaomi-redminote3_msm8956": "MSM8956",
    "lg-gpro_apq8064t_armv7": "APQ8064",
    "nexus6_apq8084_armv7": "APQ8084",
    "alcatel-revvl_mt6738": "MT6738",
    "oppo-r15_mt6771": "MT6771V/C",
    "huawei-mate20_kirin980": "kirin980",
    "honor6_kirin920_armv7": "Kirin920",
    "leagoo-t5c_sc9853i_x86": "SC9853I-IA",
    "nexus10_exynos5250_armv7": None,  # exynos5, a family
    "xperia-sl_msm8260a_armv7": None,  # msm8660, another chip
}


@pytest.mark.parametrize(("phone", "chip"), SOCS.items())
def test_the_chip_of_a_phone_is_right_or_none(phone: str, chip: str | None) -> None:
    hardware = None
    if captures(f"{phone}/proc_cpuinfo.txt"):
        hardware = parse_cpuinfo(capture(f"{phone}/proc_cpuinfo.txt")).hardware
    props = parse_getprop(capture(captures(f"{phone}/getprop*.txt")[0]))
    assert soc(props, hardware) == chip


def test_identities_and_abis_of_phones() -> None:
    def props(name: str) -> dict[str, str]:
        return parse_getprop(capture(name))

    emulator = props("emulator_sdk_gphone64_x86_64_a14/getprop.txt")
    assert identity(emulator) is None
    assert abis(emulator) == ("x86_64", "arm64-v8a")
    assert identity(props("pixel-8-pro_husky_zuma_a16/getprop.txt")) is None
    tf201 = props("asus-tf201_tegra3_a4.0/getprop.txt")  # CRLF, Android 4.0
    assert abis(tf201) == ("armeabi-v7a", "armeabi")
    assert tf201["ro.product.model"] == "TF201"
    assert abis(props("poco-f6_peridot_sm8635_a15/getprop.txt")) == ("arm64-v8a",)
    assert len([p for p in PHONES if captures(f"{p.name}/getprop*.txt")]) > 50


# --- cores --------------------------------------------------------------------------------

CLUSTERS = {
    "pixel8_zuma": (9, [((0, 1, 2, 3), 1704000), ((4, 5, 6, 7), 2367000), ((8,), 2914000)]),
    "huawei-mate20_kirin980": (8, [((0, 1, 2, 3), 1805000), ((4, 5), 1901000), ((6, 7), 2600000)]),
    "meizu-pro7plus_mt6799": (
        10,
        [((0, 1, 2, 3), 1898000), ((4, 5, 6, 7), 2197000), ((8, 9), 2600000)],
    ),
    "xiaomi-redminote4_msm8953": (8, [((0, 1, 2, 3, 4, 5, 6, 7), 2016000)]),
    "huawei-p8lite_kirin620": (8, [((0, 1, 2, 3), 1200000)]),  # the other four tell no clock
    "alcatel-revvl_mt6738": (8, [((4, 5, 6, 7), 1508000)]),  # the others were off
    "tablet_atm7029b_armv7": (4, []),  # core 0 says it shares a clock with 2 and 3
    "nexus-s_s5pc110_armv7": (1, [((0,), 1000000)]),
}


@pytest.mark.parametrize(("phone", "expected"), CLUSTERS.items())
def test_cores_and_clusters_of_phones(phone: str, expected: tuple[int, list[object]]) -> None:
    cpus = parse_cpus(capture(f"{phone}/sys_cpu.txt"))
    assert (cpus.cores, [(c.cpus, c.max_khz) for c in cpus.clusters]) == expected


@pytest.mark.parametrize(
    ("phone", "core", "cap", "fastest"),
    [
        ("galaxy-s9_exynos9810", 4, 1794000, 2704000),
        ("oppo-r15_mt6771", 4, 793000, 1989000),
        ("nexus6_apq8084_armv7", 1, 1728000, 2649600),
    ],
)
def test_a_cap_shows_beside_the_clock_a_core_could_have(
    phone: str, core: int, cap: int, fastest: int
) -> None:
    cpus = parse_cpus(capture(f"{phone}/sys_cpu.txt"))
    assert cpus.cap_khz[core] == cap
    assert [c.max_khz for c in cpus.clusters if core in c.cpus] == [fastest]


@pytest.mark.parametrize("name", captures("*/sys_cpu.txt"))
def test_no_phone_has_a_clock_of_a_core_that_is_off_or_a_core_too_many(name: str) -> None:
    text = capture(name)
    cpus = parse_cpus(text)
    assert cpus.cores is not None
    assert 1 <= cpus.cores <= 10
    in_clusters = [core for cluster in cpus.clusters for core in cluster.cpus]
    assert len(in_clusters) == len(set(in_clusters)) <= cpus.cores
    assert max([*in_clusters, *cpus.current_khz, *cpus.cap_khz, 0]) < cpus.cores
    online = [line for line in text.split("\n") if "/online:" in line]
    if online == ["/sys/devices/system/cpu/online: 0"]:
        assert set(cpus.current_khz) <= {0}


@pytest.mark.parametrize(
    ("phone", "listed"),
    [
        ("alcatel-revvl_mt6738", (4,)),
        ("meizu-pro6_mt6797", (4, 5, 6)),
        ("meizu-pro7plus_mt6799", (0, 1, 2, 3, 4, 8)),
        ("galaxy-s7_exynos8890", (0, 1, 2, 3, 4, 5)),
        ("pixel8_zuma", (0, 1, 2, 3, 4, 5, 6, 7, 8)),
        ("asus-tf201_tegra3_a4.0", (0, 1, 2, 3)),
    ],
)
def test_cpuinfo_lists_the_cores_that_were_on(phone: str, listed: tuple[int, ...]) -> None:
    assert parse_cpuinfo(capture(f"{phone}/proc_cpuinfo.txt")).listed == listed


def test_parts_and_features_of_cores() -> None:
    s7 = parse_cpuinfo(capture("galaxy-s7_exynos8890/proc_cpuinfo.txt"))
    assert s7.parts[0] == "0x41:0xd03"
    assert s7.parts[4] == "0x53:0x001"
    # One block for eight cores of two kinds: which is which is not told.
    assert parse_cpuinfo(capture("galaxy-j7_exynos7580/proc_cpuinfo.txt")).parts == {}
    pixel8 = parse_cpuinfo(capture("pixel8_zuma/proc_cpuinfo.txt"))
    assert {"asimddp", "i8mm", "sve2"} <= pixel8.features
    assert parse_cpuinfo(capture("zenfone2_z3580_x86/proc_cpuinfo.txt")).parts == {}


# --- battery, heat, screen, memory --------------------------------------------------------

BATTERIES = {
    "battery_fixtures/dumpsys_battery_updates_stopped.txt": Battery(),
    "battery_fixtures/skia_adb_test_nexus7.txt": Battery(75, 24.8, True),
    "battery_fixtures/skia_tab_indented.txt": Battery(94, 28.1, True),
    "battery_fixtures/skia_truncated_no_temperature.txt": Battery(9, None, True),
    "honor_ALT-NX1_magicos/dumpsys_battery.txt": Battery(54, 22.0, False),
    "moto_z_mod_a8/dumpsys_battery.txt": Battery(100, 26.0, False),
    "nexus5_hammerhead/dumpsys_battery_CRLF.txt": Battery(45, 18.0, False),
    "pixel1_sailfish_msm8996_a10_bugreport/dumpsys_battery.txt": Battery(100, 26.2, False),
    "samsung_galaxy_2018_llb/dumpsys_battery.txt": Battery(100, 30.2, False),
    "samsung_galaxy_2022_llb_brackets/dumpsys_battery_excerpt.txt": Battery(96, 30.4, None),
    "unknown_phone_3A_charger/dumpsys_battery.txt": Battery(96, 30.0, True),
    "xr_headset_unknown/dumpsys_battery_charging_but_falling.txt": Battery(16, 43.0, True),
}


@pytest.mark.parametrize(("name", "battery"), BATTERIES.items())
def test_batteries_of_phones(name: str, battery: Battery) -> None:
    assert parse_battery(capture(name)) == battery


THERMAL = "thermalservice_fixtures"
HEAT = {
    f"{THERMAL}/bort_emulator.txt": (0, 1, {"test temperature sensor": 30.8}),
    f"{THERMAL}/bort_pixel3_sdm845.txt": (0, 13, {"cpu0-gold-usr": 31.7, "maxfg": 25.9}),
    f"{THERMAL}/bort_qcom_nsp_vbat.txt": (0, 12, {"skin": 33.136, "nsp0": 34.3}),
    f"{THERMAL}/bort_qcom_status2_a10_vrThreshold.txt": (2, 11, {"skin": 44.637}),
    f"{THERMAL}/bort_samsung_aidl1.txt": (0, 5, {"AP": 34.6, "BAT": 25.2}),
    f"{THERMAL}/skia_pixel3a_sdm670_a10.txt": (0, 13, {"battery": 28.0}),
    f"{THERMAL}/skia_pixel_tensor_gs_a12.txt": (0, 8, {"VIRTUAL-SKIN": 24.833, "BIG": 26.0}),
    f"{THERMAL}/skia_samsung_sdhms_a10.txt": (0, 4, {"TYPE_SKIN": 25.3, "TYPE_CPU": 24.0}),
    "emulator_platform_testing/dumpsys_thermalservice.txt": (
        0,
        2,
        {"test temperature sensor3": 56.789},
    ),
    "galaxy-s24plus_exynos2400/thermalservice_and_policy_freq.txt": (0, 4, {"SKIN": 40.0}),
    "pixel-fold_felix_gs201/dumpsys_thermalservice_lines.txt": (None, 1, {"VIRTUAL-SKIN": 30.65}),
    "pixel1_sailfish_msm8996_a10_bugreport/dumpsys_thermalservice.txt": (
        0,
        7,
        {"tsens_tz_sensor10": 37.0},
    ),
    "xiaomi-13t-pro_mt6985_a16/dumpsys_thermalservice.txt": (0, 2, {"CPU": 57.9, "SKIN": 34.351}),
}


@pytest.mark.parametrize(("name", "expected"), HEAT.items())
def test_heat_of_phones(name: str, expected: tuple[int | None, int, dict[str, float]]) -> None:
    thermal = parse_thermalservice(capture(name))
    status, count, some = expected
    assert (thermal.status, len(thermal.temps_c)) == (status, count)
    assert {key: thermal.temps_c[key] for key in some} == some
    assert all(15 < celsius < 60 for celsius in thermal.temps_c.values())


def test_zones_of_a_phone_hold_no_volts_amperes_percent_or_dead_sensors() -> None:
    temps = parse_zones(capture("retroid-pocket5_sm8250/sys_thermal_zones_type_temp.txt"))
    assert temps["cpu-0-0-usr"] == 29.2
    assert temps["battery"] == 25.5
    assert temps["skin-therm-usr"] == 28.652
    assert all(25 < celsius < 35 for celsius in temps.values())
    assert not {"soc", "pm8150b-vbat-lvl0", "camera-therm-usr", "gpu-skin-avg-step"} & set(temps)


def test_screens_of_phones() -> None:
    assert parse_screen(capture("pixel1_sailfish_msm8996_a10_bugreport/dumpsys_power.txt")) is True
    assert parse_screen(capture("samsung_galaxy_2018_llb/dumpsys_power_tail.txt")) is True


@pytest.mark.parametrize(
    ("phone", "total", "available"),
    [
        ("asus-tf201_tegra3_a4.0", 1006840, None),
        ("jbl-bar-9.1_mt8507_armv7", 458524, 339248),
        ("pixel1_sailfish_msm8996_a10_bugreport", 3855820, 2637240),
        ("tcl-tv_novatek_armv7", 518440, None),
        ("unknown_msm8953_goadb", 3681628, 2243756),
    ],
)
def test_memory_of_phones(phone: str, total: int, available: int | None) -> None:
    info = parse_meminfo(capture(f"{phone}/proc_meminfo.txt"))
    assert (info.total_kb, info.available_kb) == (total, available)


# --- adb's own words ----------------------------------------------------------------------


def test_lists_of_phones_that_adb_printed() -> None:
    text = capture("adb_host/devices_l_scrcpy_fixtures.txt")
    blocks = [parse_devices(block) for block in text.split("###")[1:]]
    assert [[listed.serial for listed in block] for block in blocks[:5]] == [
        ["0123456789abcdef", "192.168.1.1:5555"],
        ["0123456789abcdef"],
        ["0123456789abcdef", "87654321"],
        ["0123456789abcdef"],
        ["adb-0123456789AB-CDdefg (2)._adb-tls-connect._tcp"],
    ]
    assert blocks[2][0] == Listed("0123456789abcdef", "unauthorized", None, {"usb": "1-1"})
    assert blocks[4][0].properties["model"] == "Pixel_10_Pro"


def test_every_state_of_a_phone_is_known() -> None:
    text = capture("adb_host/devices_states_collected.txt").replace("<TAB>", "\t")
    lines = [line.rpartition(" | ")[2] for line in text.split("\n")]
    states = [listed.state for line in lines for listed in parse_devices(line)]
    assert states.count("no permissions") == 3
    assert {"sideload", "recovery", "device", "offline"} <= set(states)
    words = capture("adb_host/connection_states_enum.txt").split("\n")
    for word in (line.split()[0] for line in words if line and not line.startswith("no perm")):
        assert [listed.state for listed in parse_devices(f"X\t{word}")] == [word]


def test_space_that_a_phone_has_left() -> None:
    assert parse_df(capture("pixel1_sailfish_msm8996_a10_bugreport/df.txt")) is None  # many rows


@pytest.mark.parametrize("name", captures("**/*.txt"))
def test_every_parser_survives_every_capture_also_cut_anywhere(name: str) -> None:
    text = capture(name)
    for cut in (len(text), len(text) // 2, len(text) * 9 // 10):
        part = text[:cut]
        for parser in (parse_battery, parse_cpus, parse_cpuinfo, parse_devices, parse_df):
            parser(part)
        for temps in (parse_thermalservice(part).temps_c, parse_zones(part)):
            assert all(-40 < celsius < 150 for celsius in temps.values())
        level = parse_battery(part).level
        assert level is None or 0 <= level <= 100


# --- what is told of it -------------------------------------------------------------------


def test_the_table_of_devices_is_what_the_parsers_read() -> None:
    root = Path(__file__).parents[1]
    spec = importlib.util.spec_from_file_location("make_devices", root / "docs/make_devices.py")
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    page = (root / "docs" / "devices.md").read_text()
    assert maker.table(CAPTURES) in page, "run: python docs/make_devices.py"


@pytest.mark.parametrize(
    ("printed_id", "root"),
    [
        ("uid=2000(shell) gid=2000(shell) groups=2000(shell),1004(input)", "no"),
        ("uid=0(root) gid=0(root) groups=0(root) context=u:r:su:s0", "adbd"),
    ],
)
def test_ids_that_phones_printed_tell_root(printed_id: str, root: str) -> None:
    printed = capture("adb_host/shell_id.txt").split("\n")
    lines = [line.rpartition(" | ")[2] for line in printed if printed_id in line]
    assert lines
    assert {parse_root(line) for line in lines} == {root}


def test_an_emulator_is_found_out_and_phones_are_not_accused() -> None:
    for name in captures("*/getprop*.txt"):
        props = parse_getprop(capture(name))
        device = Device(
            serial="S", virtual=False, model=told(props, "ro.product.model"), soc=soc(props, None)
        )
        assert is_emulator(device) == name.startswith("emulator_sdk"), name
