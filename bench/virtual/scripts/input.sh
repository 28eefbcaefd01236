#!%ROOT%/system/bin/sh
# input [SOURCE] VERB ...: keys that wake the phone or send it to sleep; other input goes nowhere.
wakefulness=%ROOT%/data/system/power/wakefulness

press() {
  read -r now <"$wakefulness"
  case $1 in
    26 | KEYCODE_POWER | POWER) if [ "$now" = Awake ]; then now=Asleep; else now=Awake; fi ;;
    223 | KEYCODE_SLEEP | SLEEP) now=Asleep ;;
    224 | KEYCODE_WAKEUP | WAKEUP) now=Awake ;;
    *) return ;;
  esac
  echo "$now" >"$wakefulness"
}

case $1 in
  touchscreen | keyboard | mouse | dpad | touchpad | stylus) shift ;;
esac
verb=$1
[ $# -gt 0 ] && shift
case $verb in
  keyevent)
    if [ $# = 0 ]; then
      echo "Error: Invalid arguments for command: keyevent" >&2
      exit 255
    fi
    for key in "$@"; do
      case $key in --*) ;; *) press "$key" ;; esac
    done
    ;;
  tap | swipe | text | press | roll | draganddrop | motionevent) ;;
  *)
    echo "Error: Unknown command: $verb" >&2
    exit 255
    ;;
esac
