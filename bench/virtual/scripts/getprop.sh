#!%ROOT%/system/bin/sh
set_here=%ROOT%/data/system/properties
if [ $# = 0 ]; then
  cat %ROOT%/system/etc/virtual/getprop
  for file in "$set_here"/*; do
    [ -f "$file" ] && printf "[%s]: [%s]\n" "${file##*/}" "$(cat "$file")"
  done
  exit 0
fi
case $1 in
  . | .. | */*) ;;
  *)
    for file in "$set_here/$1" "%ROOT%/dev/__properties__/$1"; do
      [ -f "$file" ] && exec cat "$file"
    done
    ;;
esac
echo "$2"
