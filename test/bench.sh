#!/usr/bin/env bash
# Measures the programs in bin/ beside their peers and prints tables. About a
# quarter of an hour, as root; shorter with
#
#   BENCH_QUICK=1        every part, but small: about three minutes
#   BENCH_PARTS=logs     only some of: sampling node logs ingest idle cluster pods services simulations
#   BENCH_REPEAT=1       runs of the short parts, of which the median is shown (3)
#   BENCH_MIB=256        size of the log files (1024)
#   BENCH_TIME=10s       length of the measurements of running programs (25s)
#   BENCH_IDLE=20s       how long `lubberline up` idles before it is measured (30s)
#   BENCH_BIN=bin        where the programs are
#   BENCH_CGROUPS=50     numbers of cgroups of the sampling part (50,200,500)
#   REFERENCE=folder     of real-k8s.sh and anchors.sh, whose Kubernetes is the peer of the parts pods and services once it is built
#
# Each peer or floor runs in the same run as ours; figures of other machines are
# not printed. Ctrl-C ends everything that was started and removes its files and
# cgroups.
set -euo pipefail
cd "$(dirname "$0")/.."

if [ -n "${BENCH_QUICK:-}" ]; then
  : "${BENCH_REPEAT:=1}" "${BENCH_MIB:=256}" "${BENCH_TIME:=8s}" "${BENCH_IDLE:=15s}" "${BENCH_CGROUPS:=50,200}"
fi
parts=${BENCH_PARTS:-sampling node logs ingest idle cluster pods services simulations}
parts=${parts//,/ }
repeat=${BENCH_REPEAT:-3} mib=${BENCH_MIB:-1024} time=${BENCH_TIME:-25s} idle=${BENCH_IDLE:-30s}
cgroups=${BENCH_CGROUPS:-50,200,500} bin=${BENCH_BIN:-bin}

[ "$(id -u)" = 0 ] || { echo 'make bench needs root: it makes cgroups' >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/sampling" ./collector/bench
go build -o "$work/whole" ./test/bench

echo "machine: $(nproc) x $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), $(awk '/MemTotal/ {printf "%.0f GiB", $2/1048576}' /proc/meminfo), Linux $(uname -r)"
echo "version: $("$bin/lubberline" version), load average before: $(cut -d' ' -f1-3 /proc/loadavg)"
echo "Ratios are of two figures of this run. CPU is user and system time from /proc."

rest=()
for part in $parts; do
  if [ "$part" = sampling ]; then
    echo
    echo "Reading cgroups at 1 s: ours, a loop over open files (floor), cAdvisor's library (peer). Goal: <= 70 us a sample, <= 20 ms CPU for /metrics of 200"
    "$work/sampling" -n "$cgroups" -time "${BENCH_SAMPLING_TIME:-5s}"
  else
    rest+=("$part")
  fi
done
if [ ${#rest[@]} -gt 0 ]; then
  list=$(IFS=,; echo "${rest[*]}")
  "$work/whole" -bin "$bin" -parts "$list" -repeat "$repeat" -mib "$mib" -time "$time" -idle "$idle" -reference "${REFERENCE:-}"
fi
echo
echo "load average after: $(cut -d' ' -f1-3 /proc/loadavg)"
