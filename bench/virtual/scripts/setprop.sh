#!%ROOT%/system/bin/sh
# The properties that Android lets its shell set, as far as they begin with a word of their own.
if [ $# != 2 ]; then
  echo "setprop: Needs 2 arguments" >&2
  exit 1
fi
case $1 in
  */*) ;;
  debug.?* | log.?* | persist.debug.?* | persist.log.?*)
    new=%ROOT%/data/system/new.$$
    printf '%s\n' "$2" >"$new" && exec mv -f "$new" "%ROOT%/data/system/properties/$1"
    ;;
esac
echo "Failed to set property '$1' to '$2'." >&2
echo "See dmesg for error reason." >&2
exit 1
