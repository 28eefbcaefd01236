#!%ROOT%/system/bin/sh
# dumpsys [SERVICE ...]: the profile's dump, with what has been set since written over it.
dumps=%ROOT%/system/etc/virtual/dumpsys
state=%ROOT%/data/system

battery() {
  set --
  for file in "$state"/battery/*; do
    [ -f "$file" ] || continue
    read -r value <"$file"
    name=${file##*/}
    set -- "$@" -e "s/^  $name: .*/  $name: $value/"
  done
  if [ $# = 0 ]; then
    cat "$dumps/battery"
    return
  fi
  sed -e "s/^Current Battery Service state:.*/&\\
  (UPDATES STOPPED -- use 'reset' to restart)/" "$@" "$dumps/battery"
}

set_battery() {
  [ "$1" = -f ] && shift
  case $1 in
    ac) name='AC powered' ;;
    usb) name='USB powered' ;;
    wireless) name='Wireless powered' ;;
    dock) name='Dock powered' ;;
    status | level) name=$1 ;;
    temp) name=temperature ;;
    present) name=present ;;
    counter) name='Charge counter' ;;
    *)
      echo "Unknown set option: $1" >&2
      exit 255
      ;;
  esac
  case $2 in
    '' | *[!0-9-]*)
      echo "Bad value: $2" >&2
      exit 255
      ;;
  esac
  value=$2
  case $1 in
    ac | usb | wireless | dock | present) if [ "$2" = 0 ]; then value=false; else value=true; fi ;;
  esac
  echo "$value" >"$state/battery/$name"
}

# The bits of stay_on_while_plugged_in: 1 AC, 2 USB, 4 wireless, 8 dock.
power() {
  text=$(battery)
  plug=0
  case $text in *'Dock powered: true'*) plug=8 ;; esac
  case $text in *'Wireless powered: true'*) plug=4 ;; esac
  case $text in *'USB powered: true'*) plug=2 ;; esac
  case $text in *'AC powered: true'*) plug=1 ;; esac
  stay=0
  { read -r stay <"$state/settings/global/stay_on_while_plugged_in"; } 2>/dev/null
  case $stay in '' | *[!0-9]*) stay=0 ;; esac
  powered=false
  stays=false
  [ "$plug" != 0 ] && powered=true
  [ "$((stay & plug))" != 0 ] && stays=true
  read -r wakefulness <"$state/power/wakefulness"
  raw=0
  screen=OFF
  holding=false
  if [ "$wakefulness" = Awake ]; then
    raw=1
    screen=ON
    holding=true
  fi
  exec sed -e "s/^\( *mWakefulness=\).*/\1$wakefulness/" \
    -e "s/^\( *mWakefulnessRaw=\).*/\1$raw/" \
    -e "s/^\( *mIsPowered=\).*/\1$powered/" \
    -e "s/^\( *mPlugType=\).*/\1$plug/" \
    -e "s/^\( *mStayOn=\).*/\1$stays/" \
    -e "s/^\( *mHoldingDisplaySuspendBlocker=\).*/\1$holding/" \
    -e "s/^\(Display Power: state=\).*/\1$screen/" "$dumps/power"
}

thermalservice() {
  if [ -f "$state/thermal/status" ]; then
    read -r status <"$state/thermal/status"
    exec sed -e 's/^IsStatusOverride: .*/IsStatusOverride: true/' \
      -e "s/^Thermal Status: .*/Thermal Status: $status/" "$dumps/thermalservice"
  fi
  exec cat "$dumps/thermalservice"
}

case $1 in
  '' | -l) exec cat %ROOT%/system/etc/virtual/services ;;
  . | .. | */*)
    echo "Can't find service: $1"
    exit 0
    ;;
esac
if [ ! -f "$dumps/$1" ]; then
  echo "Can't find service: $1"
  exit 0
fi
case "$1 $2" in
  'battery set')
    shift 2
    set_battery "$@"
    ;;
  'battery unplug')
    for name in AC USB Wireless Dock; do echo false >"$state/battery/$name powered"; done
    ;;
  'battery reset') rm -f "$state"/battery/* ;;
  'battery ')  battery ;;
  'battery '*)
    echo "Unknown command: $2"
    exit 255
    ;;
  'power '*) power ;;
  'thermalservice '*) thermalservice ;;
  *) exec cat "$dumps/$1" ;;
esac
