#!%ROOT%/system/bin/sh
# date, ahead or behind by what a fault has ordered. The clock that programs read is the host's.
date=%ROOT%/system/etc/virtual/host/date
read -r offset <%ROOT%/system/etc/virtual/clock_offset_s
case $offset:$* in
  0:* | *:-d* | *:*\ -d* | *--date* | *:-r* | *:*\ -r*) exec "$date" "$@" ;;
esac
now=$("$date" +%s.%N)
part=${now#*.}
case $part in '' | *[!0-9]*) part= ;; esac # not every date knows %N
exec "$date" -d "@$((${now%%.*} + offset))${part:+.$part}" "$@"
