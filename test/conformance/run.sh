#!/bin/bash
# Runs upstream Kubernetes' end-to-end tests against a cluster of our own that
# is started for it and removed afterwards.
#   run.sh LIST [DIR]   LIST is a file of spec names, DIR takes the results
#                       (default: .cache/conformance/NAME-OF-LIST)
# REFERENCE is a folder with build.sh, images.sh and specs.sh, which build the
# upstream test program and its images from source and run it; PROCS (8) specs
# run at the same time; CONFIG is a configuration file for the cluster. Needs root. Two and a half minutes of building come first.
set -euo pipefail
cd "$(dirname "$0")/../.."
reference=${REFERENCE:?names the folder with the upstream test programs}
list=$(realpath "$1")
out=$(realpath -m "${2:-.cache/conformance/$(basename "$1" .txt)}")
data=$(mktemp -d /tmp/lbconf.XXXX)
main=0

cleanup() {
	[ "$main" = 0 ] || { kill "$main" 2>/dev/null || true; wait "$main" 2>/dev/null || true; }
	bin/lubberline down ${CONFIG:+--config "$CONFIG"} --data-dir "$data/d" || true
	rm -rf "$data"
}
trap cleanup EXIT

(cd "$reference" && ./build.sh e2e ginkgo kubectl agnhost nonewprivs)
archive=${REFERENCE_CACHE:-$HOME/.cache/lubberline-reference}/build/images.tar
[ -e "$archive" ] || "$reference/images.sh" build

bin/lubberline up ${CONFIG:+--config "$CONFIG"} --data-dir "$data/d" >"$data/out" 2>"$data/log" &
main=$!
export KUBECONFIG=$data/d/orchestrator/api/admin.kubeconfig
for _ in $(seq 300); do
	grep -q 'Ready for pods' "$data/out" && break
	kill -0 "$main" || { cat "$data/out" "$data/log"; exit 1; }
	sleep 0.1
done
bin/lubberline images import "$archive"
rm -rf "$out" && mkdir -p "$out"
start=$SECONDS
PROCS=${PROCS:-8} "$reference/specs.sh" run "$list" "$out"
cp "$data/log" "$out/lubberline.log"
echo "$(wc -l <"$out/passed.txt") passed, $(wc -l <"$out/failed.txt") failed in $((SECONDS - start)) s"
cat "$out/failed.txt"
[ ! -s "$out/failed.txt" ]
