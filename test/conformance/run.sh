#!/bin/bash
# Runs upstream Kubernetes' end-to-end tests against a cluster of our own that
# is started for it and removed afterwards.
#   run.sh LIST [DIR]   LIST is a file of spec names, DIR takes the results
#                       (default: .cache/conformance/NAME-OF-LIST)
# REFERENCE is a folder with build.sh, images.sh and specs.sh, which build the
# upstream test program and its images from source and run it; PROCS (8) specs
# run at the same time. NODES (1) may be 3: two on one link, and one behind a
# router. CONFIG is a configuration file for the cluster of one. Needs root.
# Two and a half minutes of building come first.
set -euo pipefail
cd "$(dirname "$0")/../.."
reference=${REFERENCE:?names the folder with the upstream test programs}
list=$(realpath "$1")
nodes=${NODES:-1}
name=$(basename "$1" .txt)
[ "$nodes" = 1 ] || name+=-$nodes
out=$(realpath -m "${2:-.cache/conformance/$name}")
bin=${LUBBERLINE_BIN:-bin}
data=$(mktemp -d /tmp/lbconf.XXXX)
main=0

cleanup() {
	if [ "$nodes" = 1 ]; then
		[ "$main" = 0 ] || { kill "$main" 2>/dev/null || true; wait "$main" 2>/dev/null || true; }
		"$bin/lubberline" down ${CONFIG:+--config "$CONFIG"} --data-dir "$data/d" || true
	fi
	rm -rf "$data"
}
trap cleanup EXIT

start_one() {
	"$bin/lubberline" up ${CONFIG:+--config "$CONFIG"} --data-dir "$data/d" >"$data/out" 2>"$out/lubberline.log" &
	main=$!
	export KUBECONFIG=$data/d/orchestrator/api/admin.kubeconfig
	for _ in $(seq 300); do
		grep -q 'Ready for pods' "$data/out" && break
		kill -0 "$main" || { cat "$data/out" "$out/lubberline.log"; exit 1; }
		sleep 0.1
	done
	"$bin/lubberline" images import "$archive"
}

(cd "$reference" && ./build.sh e2e ginkgo kubectl agnhost nonewprivs)
archive=${REFERENCE_CACHE:-$HOME/.cache/lubberline-reference}/build/images.tar
[ -e "$archive" ] || "$reference/images.sh" build

rm -rf "$out" && mkdir -p "$out"
export PROCS=${PROCS:-8}
start=$SECONDS
case $nodes in
1)
	start_one
	"$reference/specs.sh" run "$list" "$out"
	;;
3)
	go build -o "$data/cluster" ./test/conformance/cluster
	"$data/cluster" -on 1,1,2 -images "$archive" -logs "$out" "$reference/specs.sh" run "$list" "$out"
	;;
*)
	echo "NODES=$nodes: want 1 or 3" >&2
	exit 2
	;;
esac
echo "$(wc -l <"$out/passed.txt") passed, $(wc -l <"$out/failed.txt") failed in $((SECONDS - start)) s"
cat "$out/failed.txt"
[ ! -s "$out/failed.txt" ]
