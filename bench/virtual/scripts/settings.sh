#!%ROOT%/system/bin/sh
# settings [--user USER] get|put|delete|list NAMESPACE [KEY [VALUE]], in the words of Android's
# SettingsService.
store=%ROOT%/data/system/settings

refuse() {
  echo "$1" >&2
  exit 255
}

[ "$1" = --user ] && shift 2
verb=$1
namespace=$2
key=$3
case $verb in
  get | put | delete | list) ;;
  *) refuse "Invalid command: $verb" ;;
esac
case $namespace in
  system | secure | global) ;;
  '') refuse "Bad arguments" ;;
  *) refuse "Invalid namespace '$namespace'" ;;
esac
if [ "$verb" != list ]; then
  # A file's name is what a key can't be here and can be on a phone.
  case $key in '' | .* | */*) refuse "Bad arguments" ;; esac
fi
file=$store/$namespace/$key
case $verb in
  get)
    [ -f "$file" ] && exec cat "$file"
    echo null
    ;;
  put)
    [ $# -ge 4 ] || refuse "Bad arguments"
    new=$store/new.$$
    printf '%s\n' "$4" >"$new" && exec mv -f "$new" "$file"
    ;;
  delete)
    if [ -f "$file" ]; then
      rm -f "$file"
      echo "Deleted 1 rows"
    else
      echo "Deleted 0 rows"
    fi
    ;;
  list)
    cd "$store/$namespace" || exit 255
    for key in *; do
      [ -f "$key" ] && printf "%s=%s\n" "$key" "$(cat "$key")"
    done
    exit 0
    ;;
esac
