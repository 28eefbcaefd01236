#!/system/bin/sh
# Runs on the phone:
#
#     sh probe.sh describe NONCE              what the phone is
#     sh probe.sh state NONCE                 how it is at the moment
#     sh probe.sh load NONCE                  what its processes have used so far
#     sh probe.sh series NONCE                clocks and a few temperatures, again and again
#
# After NONCE come up to six paths in the place of the six below, and after them for `state` the
# FILE of a series that is to end, and for `series`:
#
#     SECONDS     between two readings
#     FILE        in which its process id stands while it lasts; a SIGTERM has it end after one
#                 more reading, and a FILE that is there before it begins after the first. "" for none
#     COUNT       of readings, after which it ends by itself; 0 or nothing for no such end
#     SUPPLIES    /sys/class/power_supply, for the battery's current and voltage too
#
# Output is sections under headings of the form "== NONCE name", the last of them "end". NONCE is
# a random word of the caller, so that nothing a phone prints can pass for a heading. Nothing is
# changed on the phone.
#
# Plain POSIX sh: mksh of Android 5 and later, dash, busybox, toybox. What is missing or may
# not be read is left out. Files are read by the shell itself, because a process costs a
# millisecond and there are dozens of files; only getprop and dumpsys are programs.
# bench/device/parse/ reads the output.

mode=$1
nonce=$2
# The host always names these. On a virtual phone that is a plain folder, only paths in the
# text of a command lead into the phone; those in a script lead to the host's own files.
cpu=${3:-/sys/devices/system/cpu}
zones=${4:-/sys/class/thermal}
cpuinfo=${5:-/proc/cpuinfo}
meminfo=${6:-/proc/meminfo}
programs=${7:-/system/bin}
saved=${8:-/data/local/tmp/tflite-phone-bench/settings.saved}

section() {
  echo # ends the last line of the section before, if that had no end
  echo "== $nonce $1"
}

# show FILE: its first line, as "FILE: line"
show() {
  value=
  { read -r value <"$1"; } 2>/dev/null
  [ -n "$value" ] && echo "$1: $value"
}

# head_of FILE COUNT: its first lines as they are
head_of() {
  [ -r "$1" ] || return
  count=$2
  while [ "$count" -gt 0 ] && read -r value; do
    echo "$value"
    count=$((count - 1))
  done 2>/dev/null <"$1"
}

# clocks FILE...: these files of every cpufreq policy. Kernels before 4.2 have them by core.
clocks() {
  for folder in "$cpu"/cpufreq/policy*; do
    [ -d "$folder" ] || continue
    for file in "$@"; do show "$folder/$file"; done
  done
  [ -d "$folder" ] && return
  for folder in "$cpu"/cpu[0-9]*/cpufreq; do
    for file in "$@"; do show "$folder/$file"; done
  done
}

describe() {
  section getprop
  getprop 2>/dev/null
  section cpus
  for file in possible present; do show "$cpu/$file"; done
  clocks related_cpus cpuinfo_max_freq
  section cpuinfo
  cat "$cpuinfo" 2>/dev/null
  section meminfo
  head_of "$meminfo" 3
  section kernel
  head_of /proc/version 1
  section uname
  uname -r 2>/dev/null
  section linkers
  for file in "$programs/linker" "$programs/linker64"; do
    [ -e "$file" ] && echo "$file"
  done
  section rights
  id 2>/dev/null
  command -v su 2>/dev/null # looked for, never run: it would ask the user
  section boot
  head_of /proc/sys/kernel/random/boot_id 1
  section saved # by prepare.sh, and not restored
  head_of "$saved" 20
}

state() {
  section cpus
  show "$cpu/online"
  clocks related_cpus scaling_cur_freq scaling_max_freq scaling_governor
  section loadavg
  head_of /proc/loadavg 1
  section meminfo
  head_of "$meminfo" 3
  section battery
  dumpsys battery 2>/dev/null
  section power
  dumpsys power 2>/dev/null
  section thermalservice
  thermal=$(dumpsys thermalservice 2>/dev/null)
  echo "$thermal"
  # Reading a zone may take milliseconds and there may be a hundred of them.
  case $thermal in
    *'temperatures from HAL:'*'Temperature{'*) ;;
    *) zone_temps ;;
  esac
}

zone_temps() {
  section zones
  for folder in "$zones"/thermal_zone*; do
    kind=
    value=
    { read -r kind <"$folder/type"; read -r value <"$folder/temp"; } 2>/dev/null
    [ -n "$value" ] && echo "$kind: $value"
  done
}

# The ticks of all cores stand first and last, so that between the last of one reading and the
# first of the next there is nearly nothing of this script's own work.
load() {
  section before
  ticks
  section processes
  cat /proc/[0-9]*/stat 2>/dev/null
  section after
  ticks
}

ticks() {
  while read -r value; do
    case $value in
      cpu*) echo "$value" ;;
      *) break ;;
    esac
  done 2>/dev/null </proc/stat
}

# Beside a measurement, so it must cost next to nothing: one process, a few small files each time,
# and of the zones, which may take a millisecond each, at most four that were chosen before.
#
# It ends by itself within SECONDS once nobody listens: the next line it prints fails.
series() {
  seconds=$9
  own=${10}
  left=${11:-0}
  supplies=${12}
  ending=
  sleeper=
  # A signal between two commands of the loop must not find a whole sleep before it.
  trap 'ending=asked; [ -n "$sleeper" ] && kill "$sleeper" 2>/dev/null' TERM
  trap 'ending=alone; [ -n "$sleeper" ] && kill "$sleeper" 2>/dev/null' HUP INT PIPE
  section clocks
  clocks related_cpus
  chosen=$(choose_zones)
  [ -n "$supplies" ] && choose_gauge
  section series
  set -C # nothing is overwritten
  [ -z "$own" ] || { echo $$ >"$own"; } 2>/dev/null || ending=alone
  set +C
  while moment && [ -z "$ending" ] && [ "$left" != 1 ]; do
    left=$((left - 1))
    # Not on the standard output: whoever reads it would wait for the sleep.
    sleep "$seconds" >/dev/null 2>&1 &
    sleeper=$!
    # Unlike the sleep itself this ends with a signal; without a sleep it fails.
    [ -n "$ending" ] || wait "$sleeper" || [ "$ending" = asked ] || break
  done
  { kill "$sleeper"; [ -n "$own" ] && rm -f "$own"; } 2>/dev/null
  if [ -n "$supplies" ]; then
    section "battery later"
    dumpsys battery 2>/dev/null
  fi
}

# moment: one reading; false when nobody reads it
moment() {
  read -r value rest </proc/uptime
  echo "at: $value" 2>/dev/null || return
  clocks scaling_cur_freq scaling_max_freq
  for folder in $chosen; do
    kind=
    value=
    { read -r kind <"$folder/type"; read -r value <"$folder/temp"; } 2>/dev/null
    [ -n "$value" ] && echo "zone $kind: $value"
  done
  [ -n "$supplies" ] && gauge
  return 0
}

# choose_gauge: the battery among the supplies if the shell may read its current, else `dumpsys
# battery` if it tells it (Samsung), else the command that Android has had for it since 16.
choose_gauge() {
  section battery
  dump=$(dumpsys battery 2>/dev/null)
  echo "$dump"
  for supply in "$supplies"/*; do
    kind=
    value=
    { read -r kind <"$supply/type"; read -r value <"$supply/current_now"; } 2>/dev/null
    [ "$kind" = Battery ] && [ -n "$value" ] && return
  done
  supply=
  service=
  case $dump in
    *'current now:'*) ;;
    *) case $(cmd battery get current_now 2>/dev/null </dev/null) in *[0-9]) service=yes ;; esac ;;
  esac
}

gauge() {
  if [ -n "$supply" ]; then
    show "$supply/current_now"
    show "$supply/voltage_now"
    return
  fi
  # Without -f it is what the last broadcast told, which may be minutes old.
  [ -n "$service" ] && echo "dumpsys current now: $(cmd battery get -f current_now 2>/dev/null </dev/null)"
  dumpsys battery 2>/dev/null | while read -r value; do
    case $value in 'current now:'* | 'voltage:'*) echo "dumpsys $value" ;; esac
  done
}

# end_series FILE: ask the series that wrote its id there for a last reading, and its end
end_series() {
  id=
  { read -r id <"$1"; } 2>/dev/null
  case $id in '' | *[!0-9]*) ;; *) kill -TERM "$id" 2>/dev/null ;; esac
}

choose_zones() {
  skin=
  battery=
  core=
  big=
  for folder in "$zones"/thermal_zone*; do
    kind=
    { read -r kind <"$folder/type"; } 2>/dev/null
    case $kind in
      *[Ss]kin* | *SKIN*) [ -n "$skin" ] || skin=$folder ;;
      battery | *-battery | *batt*) [ -n "$battery" ] || battery=$folder ;;
      BIG | *big*) [ -n "$big" ] || big=$folder ;;
      cpu* | CPU* | *tscpu* | MID | LITTLE) [ -n "$core" ] || core=$folder ;;
    esac
  done
  echo "$skin $battery $core $big"
}

case $mode in
  describe) describe ;;
  state)
    [ -n "$9" ] && end_series "$9"
    state
    ;;
  load) load ;;
  series) series "$@" ;;
  *)
    echo "usage: sh probe.sh describe|state|load|series NONCE" >&2
    exit 2
    ;;
esac
section end
exit 0
