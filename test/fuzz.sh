#!/usr/bin/env bash
# Fuzzes every target of the repository, FUZZTIME each (default 60s). A crash
# leaves its input below the package's testdata/fuzz and fails the run.
set -euo pipefail
cd "$(dirname "$0")/.."
fuzztime=${FUZZTIME:-60s}
count=0
while IFS=: read -r file target; do
  echo "== $(dirname "$file") $target"
  go test -run '^$' -fuzz "^$target\$" -fuzztime "$fuzztime" "./$(dirname "$file")"
  count=$((count + 1))
done < <(git ls-files '*_test.go' | xargs grep -Ho '^func Fuzz[A-Za-z0-9]*' | sed 's/func //')
echo "$count fuzz targets"
[ "$count" -gt 0 ]
