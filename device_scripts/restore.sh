#!/system/bin/sh
# Runs on the phone, by hand as `sh restore.sh`: puts back every setting that prepare.sh changed.
#
#     sh restore.sh [NONCE [SAVED [CPU [OWNER]]]]
#
# SAVED is the file in which prepare.sh keeps old values, one line a setting, each field but
# the last without a tab in it:
#
#     owner TAB WHO TAB PROCESS                  the first line; PROCESS is prepare.sh
#     TARGET TAB HAD TAB OURS TAB OLD            HAD: set, missing, or unknown
#
# A setting that still has our value gets the old one back; one that somebody else has
# changed meanwhile is left, and said. What could not be put back stays in the file, and the file
# goes when it is empty, so that running this twice does no harm. With OWNER only a file of
# that owner is touched. bench/device/parse/report.py reads the output.
#
# prepare.sh takes the functions of this file: how a setting is read and written stands here.

nonce=$1
saved=${2:-/data/local/tmp/tflite-phone-bench/settings.saved}
cpu=${3:-/sys/devices/system/cpu}
owner=$4
tab='	' # a tab, which no program of every phone prints
newline='
'

# say TEXT: as it is. echo would take a backslash for something else.
if [ -n "$KSH_VERSION" ]; then
  say() { print -r -- "$1"; }
else
  say() { printf '%s\n' "$1"; }
fi

# report WORD TARGET TEXT
report() { say "$nonce $1 $2$tab$3"; }

# in_short TEXT: on one line. Android complains in several, the first of them empty.
in_short() {
  short=
  rest_of=$1$newline
  while [ -n "$rest_of" ]; do
    short="$short ${rest_of%%"$newline"*}"
    rest_of=${rest_of#*"$newline"}
  done
  short=${short# }
  say "${short# }"
}

# get TARGET: its value in $value, and in $had whether there is one
get() {
  had=unknown
  value=
  case $1 in
    global/*) get_setting "${1#global/}" ;;
    airplane)
      value=$(cmd connectivity airplane-mode 2>/dev/null </dev/null)
      case $value in enabled | disabled) had=set ;; esac
      ;;
    governor/*)
      { read -r value <"$(governor_file "$1")"; } 2>/dev/null && had=set
      ;;
  esac
}

get_setting() {
  # The dot keeps what $() would cut off, and after it comes the exit code.
  value=$(settings get global "$1" 2>/dev/null </dev/null; echo ".$?")
  [ "${value##*.}" = 0 ] || return
  value=${value%.*}
  value=${value%"$newline"}
  had=set
  # A setting that is not there prints null, and so does one whose value is "null".
  if [ "$value" = null ] && [ -z "$(listed_null "$1")" ]; then had=missing; fi
}

listed_null() {
  settings list global 2>/dev/null </dev/null | while IFS= read -r line; do
    if [ "$line" = "$1=null" ]; then
      echo yes
      break
    fi
  done
}

# put TARGET HAD VALUE: what the phone said to it is in $reply
put() {
  case $1 in
    global/*)
      if [ "$2" = missing ]; then
        reply=$(settings delete global "${1#global/}" 2>&1 </dev/null)
      else
        reply=$(settings put global "${1#global/}" "$3" 2>&1 </dev/null)
      fi
      ;;
    airplane)
      case $3 in
        enabled) reply=$(cmd connectivity airplane-mode enable 2>&1 </dev/null) ;;
        *) reply=$(cmd connectivity airplane-mode disable 2>&1 </dev/null) ;;
      esac
      ;;
    fixed-performance)
      # No command tells whether it is on: without a word it went well.
      reply=$(cmd power set-fixed-performance-mode-enabled "$3" 2>&1 </dev/null || echo "exit $?")
      ;;
    governor/*) reply=$(put_governor "$(governor_file "$1")" "$3" 2>&1 </dev/null) ;;
  esac
}

governor_file() {
  case $1 in
    governor/policy*) say "$cpu/cpufreq/${1#governor/}/scaling_governor" ;;
    *) say "$cpu/${1#governor/}/cpufreq/scaling_governor" ;;
  esac
}

# Directly where the shell is root, else by the su of Magisk's kind, else by Android's own.
put_governor() {
  case $2 in *[!A-Za-z0-9_-]*) return 1 ;; esac
  { echo "$2" >"$1"; } 2>/dev/null && return
  limit=
  command -v timeout >/dev/null && limit='timeout 10' # su may wait for an answer on the screen
  $limit su -c "echo $2 >$1" || $limit su 0 sh -c "echo $2 >$1"
}

# keep TEXT: the whole content of the file of old values, on the disk before this returns
keep() {
  say "$1" >"$saved.new" && flush "$saved.new" && mv -f "$saved.new" "$saved" && flush "${saved%/*}"
}

flush() { fsync "$1" 2>/dev/null || sync; }

# A prepare.sh that nobody listens to any more ends after the change that it is at.
wait_for() {
  case $1 in '' | 0* | *[!0-9]*) return ;; esac
  left=20
  while [ "$left" -gt 0 ] && kill -0 "$1" 2>/dev/null; do
    sleep 1
    left=$((left - 1))
  done
}

restore_all() {
  [ -f "$saved" ] || return
  IFS= read -r line <"$saved"
  case $line in
    "owner$tab"*)
      fields=${line#*"$tab"}
      if [ -n "$owner" ] && [ "${fields%%"$tab"*}" != "$owner" ]; then
        report busy owner "$fields"
        return
      fi
      wait_for "${fields#*"$tab"}"
      [ -f "$saved" ] || return
      ;;
  esac
  rest=
  count=0
  while IFS= read -r line <&3; do
    target=${line%%"$tab"*}
    fields=${line#*"$tab"}
    if [ "$target" = owner ]; then
      rest=$line
      continue
    fi
    had_then=${fields%%"$tab"*}
    fields=${fields#*"$tab"}
    ours=${fields%%"$tab"*}
    old=${fields#*"$tab"}
    restore_one || {
      rest=$rest$newline$line
      count=$((count + 1))
    }
  done 3<"$saved"
  if [ "$count" = 0 ]; then
    rm -f "$saved" "$saved.new"
    flush "${saved%/*}"
  else
    keep "$rest"
  fi
}

# False when the line must stay.
restore_one() {
  case $target in
    governor/*[!a-z0-9]*) return 0 ;; # not by prepare.sh
    fixed-performance)
      put "$target" set false
      if [ -n "$reply" ]; then
        report failed "$target" "$(in_short "$reply")"
        return 1
      fi
      report restored "$target" off
      return 0
      ;;
    global/stay_on_while_plugged_in | airplane | governor/*) ;;
    global/window_animation_scale | global/transition_animation_scale) ;;
    global/animator_duration_scale) ;;
    *) return 0 ;;
  esac
  get "$target"
  if [ "$had" = "$had_then" ] && [ "$value" = "$old" ]; then
    report kept "$target" "$old"
    return 0
  fi
  if [ "$had" = unknown ]; then
    report failed "$target" "it can't be read"
    return 1
  fi
  if [ "$value" != "$ours" ] || [ "$had" = missing ]; then
    report left "$target" "$value"
    return 0
  fi
  put "$target" "$had_then" "$old"
  get "$target"
  if [ "$had" = "$had_then" ] && [ "$value" = "$old" ]; then
    report restored "$target" "$old"
    return 0
  fi
  report failed "$target" "$(in_short "$reply")"
  return 1
}

if [ -z "$preparing" ]; then
  trap '' HUP PIPE # nobody has to listen
  restore_all
  say "$nonce end"
fi
