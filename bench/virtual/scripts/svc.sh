#!%ROOT%/system/bin/sh
# svc COMMAND ...: what it does to the settings. It ends with 0 whatever it is asked.
bin=%ROOT%/system/bin
state=%ROOT%/data/system

usage() {
  echo "$1" >&2
  exit 0
}

switch() { # KEY enable|disable COMMAND
  case $2 in
    enable) exec "$bin/settings" put global "$1" 1 ;;
    disable) exec "$bin/settings" put global "$1" 0 ;;
    *) usage "usage: svc $3 [enable|disable]" ;;
  esac
}

stay_on() {
  case $1 in
    true) sources=15 ;; # AC, USB, wireless and dock, as bits
    false) sources=0 ;;
    ac) sources=1 ;;
    usb) sources=2 ;;
    wireless) sources=4 ;;
    dock) sources=8 ;;
    *) usage "usage: svc power stayon [true|false|usb|ac|wireless|dock]" ;;
  esac
  [ "$sources" = 0 ] || echo Awake >"$state/power/wakefulness"
  exec "$bin/settings" put global stay_on_while_plugged_in "$sources"
}

case $1 in
  power)
    [ "$2" = stayon ] || usage "usage: svc power stayon [true|false|usb|ac|wireless|dock]"
    stay_on "$3"
    ;;
  wifi) switch wifi_on "$2" wifi ;;
  data) switch mobile_data "$2" data ;;
  bluetooth) switch bluetooth_on "$2" bluetooth ;;
  nfc) switch nfc_on "$2" nfc ;;
  *) usage "Available commands:
    help     Show information about the subcommands
    power    Control the power manager
    data     Control mobile data connectivity
    wifi     Control the Wi-Fi manager
    nfc      Control NFC functions
    bluetooth Control Bluetooth service" ;;
esac
