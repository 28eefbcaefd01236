#!%ROOT%/system/bin/sh
read -r up rest <%ROOT%/system/etc/virtual/uptime
read -r one five fifteen rest </proc/loadavg
minutes=$((${up%%.*} / 60))
echo " $(date +%T) up $((minutes / 60)):$((minutes % 60 / 10))$((minutes % 10)),  0 users,  load average: $one, $five, $fifteen"
