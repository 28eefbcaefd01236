#!/system/bin/sh
# Runs on the phone: changes the settings that it is asked to, each after its old value is on
# the disk in the file SAVED, from which restore.sh puts it back.
#
#     sh prepare.sh NONCE SAVED CPU OWNER RESTORE.SH SETTING...
#
# SETTING is one of: stay-awake, animations, fixed-performance, governor:NAME, airplane.
# OWNER is a word that says who prepares. A setting whose old value can't be read, or doesn't fit
# on one line, is not changed. Nothing is changed while SAVED is there: what it holds must be
# put back first. bench/device/parse/report.py reads the output.

preparing=yes
restore=$5
. "$restore"
shift 5

# Whoever hangs up is dead, and has what was changed so far put back by somebody else: nothing
# more is changed then.
hung_up=
trap 'hung_up=yes' HUP
trap '' PIPE

# change TARGET VALUE
change() {
  [ -z "$hung_up" ] || return
  get "$1"
  if [ "$1" = fixed-performance ]; then
    had=set
    value=false
  fi
  if [ "$had" = unknown ]; then
    report refused "$1" "it can't be read on this phone"
    return
  fi
  case $value in
    "$2")
      report already "$1" "$value"
      return
      ;;
    *"$newline"*)
      report refused "$1" "its value has more than one line"
      return
      ;;
  esac
  before=$kept
  had_before=$had
  old=$value
  kept=$kept$newline$1$tab$had$tab$2$tab$value
  keep "$kept" || {
    report refused "$1" "its old value can't be kept in $saved"
    kept=$before
    return
  }
  [ -z "$hung_up" ] || return
  put "$1" set "$2"
  check "$1" "$2"
}

# check TARGET VALUE: whether it took; a line for what didn't change is taken out again
check() {
  if [ "$1" = fixed-performance ]; then
    value=$2
    [ -n "$reply" ] && value=$old
  else
    get "$1"
    [ "$had" = unknown ] && value=$2
  fi
  # Who hangs up may end what writes or reads, and the phone may do it all the same, a little
  # later: it counts as ours.
  [ -n "$hung_up" ] && value=$2
  if [ "$value" = "$2" ]; then
    report changed "$1" "$old"
  elif [ "$had" = "$had_before" ] && [ "$value" = "$old" ]; then
    kept=$before
    keep "$kept"
    report refused "$1" "$(in_short "$reply")"
  else # it took another value than it was given, which is ours too
    kept=$before$newline$1$tab$had_before$tab$value$tab$old
    keep "$kept"
    report changed "$1" "$old"
  fi
}

governors() {
  found=
  for file in "$cpu"/cpufreq/policy[0-9]*/scaling_governor; do
    [ -f "$file" ] || continue
    found=yes
    file=${file%/scaling_governor}
    change "governor/${file##*/}" "$1"
  done
  [ -n "$found" ] && return
  for file in "$cpu"/cpu[0-9]*/cpufreq/scaling_governor; do
    [ -f "$file" ] || continue
    found=yes
    file=${file%/cpufreq/scaling_governor}
    change "governor/${file##*/}" "$1"
  done
  [ -n "$found" ] || report refused governor "this phone shows no governor"
}

if [ -f "$saved" ]; then
  report busy saved "$saved"
  say "$nonce end"
  exit 0
fi
head="owner$tab$owner$tab$$"
kept=$head
for setting in "$@"; do
  case $setting in
    # 1 plugged in, 2 USB, 4 wireless, as bits
    stay-awake) change global/stay_on_while_plugged_in 7 ;;
    animations)
      for key in window_animation_scale transition_animation_scale animator_duration_scale; do
        change "global/$key" 0
      done
      ;;
    fixed-performance) change fixed-performance true ;;
    governor:*) governors "${setting#governor:}" ;;
    airplane) change airplane enabled ;;
    *) report refused "$setting" "prepare.sh knows no such setting" ;;
  esac
done
[ "$kept" = "$head" ] && rm -f "$saved"
say "$nonce end"
