#!%ROOT%/system/bin/sh
# cmd SERVICE VERB ...: the services whose verbs a benchmark may want.
state=%ROOT%/data/system
bin=%ROOT%/system/bin

unknown() {
  echo "Unknown command: $1"
  exit 255
}

# needs VERB COUNT: what Android's ShellCommand says of an argument that isn't there
needs() {
  [ "$2" -gt 1 ] && return
  {
    echo
    echo "Exception occurred while executing '$1':"
    echo "java.lang.IllegalArgumentException: Argument expected after \"$1\""
  } >&2
  exit 255
}

power() {
  case $1 in
    set-fixed-performance-mode-enabled)
      read -r fixed <%ROOT%/system/etc/virtual/fixed_performance
      [ "$fixed" = unknown ] && unknown "$1"
      needs "$1" $#
      if [ "$fixed" = refused ]; then
        echo "Failed to set FIXED_PERFORMANCE mode" >&2
        echo "This is likely because Power HAL AIDL is not implemented on this device" >&2
        exit 255
      fi
      case $2 in
        [Tt][Rr][Uu][Ee]) echo true >"$state/power/fixed_performance" ;;
        *) echo false >"$state/power/fixed_performance" ;;
      esac
      ;;
    set-mode)
      needs "$1" $#
      "$bin/settings" put global low_power "$2"
      ;;
    *) unknown "$1" ;;
  esac
}

connectivity() {
  case $1 in
    airplane-mode) ;;
    *) unknown "$1" ;;
  esac
  case $2 in
    '')
      case $("$bin/settings" get global airplane_mode_on) in
        1) echo enabled ;;
        *) echo disabled ;;
      esac
      ;;
    enable) "$bin/settings" put global airplane_mode_on 1 ;;
    disable) "$bin/settings" put global airplane_mode_on 0 ;;
    *) unknown "$1" ;;
  esac
}

thermalservice() {
  case $1 in
    override-status)
      needs "$1" $#
      case $2 in
        [0-6]) echo "$2" >"$state/thermal/status" ;;
        *)
          echo "Invalid status: $2" >&2
          exit 255
          ;;
      esac
      ;;
    reset) rm -f "$state/thermal/status" ;;
    *) unknown "$1" ;;
  esac
}

if [ $# = 0 ]; then
  echo "cmd: No service specified; use -l to list all running services. Use -w to start and wait for a service." >&2
  exit 20
fi
service=$1
shift
case $service in
  -l)
    echo "Currently running services:"
    for name in battery connectivity power settings thermalservice; do echo "  $name"; done
    ;;
  power | connectivity | thermalservice) "$service" "$@" ;;
  settings) exec "$bin/settings" "$@" ;;
  battery)
    case $1 in set | unplug | reset) exec "$bin/dumpsys" battery "$@" ;; esac
    unknown "$1"
    ;;
  *)
    echo "cmd: Can't find service: $service" >&2
    exit 20
    ;;
esac
