#!/system/bin/sh
# Runs on the phone: ends what bench left running there, and removes old files of it.
#
#     sh clean.sh NONCE FOLDER DAYS     files that nobody has used for so many days
#     sh clean.sh NONCE FOLDER all      the whole folder
#
# Only processes whose own program lies in FOLDER are ended, also those that a qemu runs (on a
# virtual phone). settings.saved goes with `all` alone: it is what the phone's settings are put
# back from.
#
# Output: "NONCE killed ID" and "NONCE removed PATH", a line each, and in the end "NONCE end".
# bench/device/parse/report.py reads it.

nonce=$1
folder=$2
days=$3

# emulated FILE: the program that a qemu was given
emulated() {
  tr '\000' '\n' <"$1" 2>/dev/null | {
    IFS= read -r first
    IFS= read -r second
    case $first in */qemu-*) echo "$second" ;; esac
  }
}

for file in /proc/[0-9]*/cmdline; do
  # Arguments end in NULs, which shells drop or stop at: either way the first stands first.
  program=
  { IFS= read -r program <"$file"; } 2>/dev/null
  case $program in
    "$folder"/*) ;;
    */qemu-*) program=$(emulated "$file") ;;
  esac
  case $program in
    "$folder"/*)
      id=${file#/proc/}
      id=${id%/cmdline}
      kill -KILL "$id" 2>/dev/null && echo "$nonce killed $id"
      ;;
  esac
done
if [ "$days" = all ]; then
  [ -d "$folder" ] && rm -rf "$folder" && echo "$nonce removed $folder"
else
  # Whoever cleans has the phone to itself: what these were ids of is over, or ends by itself.
  rm -f "$folder"/watch-*.pid
  # A clock that was put forward makes a lock old that is held.
  find "$folder" -type f -mtime "+$days" ! -name 'settings.saved*' ! -path '*/lock/*' 2>/dev/null |
    while IFS= read -r file; do
      rm -f "$file" && echo "$nonce removed $file"
    done
fi
echo "$nonce end"
