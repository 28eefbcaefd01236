#!/system/bin/sh
# Runs on the phone, as `sh probe.sh describe NONCE` or `sh probe.sh state NONCE`, with up to
# five paths after it in place of the five below.
#
# Prints what the phone is, or how it is at the moment, as sections under headings of the
# form "== NONCE name", the last of them "end". NONCE is a random word of the caller, so
# that nothing a phone prints can pass for a heading. Nothing is changed on the phone.
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

case $mode in
  describe) describe ;;
  state) state ;;
  *)
    echo "usage: sh probe.sh describe|state NONCE" >&2
    exit 2
    ;;
esac
section end
exit 0
