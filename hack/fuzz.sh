#!/usr/bin/env bash
# Runs fuzz targets one after the other, each given as package:Target: hack/fuzz.sh 1m internal/render:FuzzCompile ...
# A failing input is written to testdata/fuzz next to the test: commit it. If one target fails, the others still run.
#
# Up to Go 1.26, the fuzzer may report the end of its own time as a failure: it prints "context deadline exceeded"
# without an input (https://go.dev/issue/75804, fixed in Go 1.27). This script does not count that as a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

fuzztime=$1
shift
output=$(mktemp)
trap 'rm -f "$output"' EXIT

only_the_end() {
  grep -A1 -- '^--- FAIL: Fuzz' "$output" | tail -n +2 | grep -qx '    context deadline exceeded' &&
    ! grep -q -e 'Failing input written' -e '^ *--- FAIL: .*/' -e '^panic:' -e 'hung or terminated' "$output"
}

failed=()
for target in "$@"; do
  # By default the fuzzer minimizes every new input for up to a minute. That time is better spent on more inputs.
  if go test -run '^$' -fuzz "^${target#*:}\$" -fuzztime "$fuzztime" -fuzzminimizetime 10x ${FUZZ_FLAGS:-} \
    "./${target%%:*}" 2>&1 | tee "$output"; then
    continue
  elif only_the_end; then
    echo "$target: ignored: the fuzzer failed at the end of its time, without an input (https://go.dev/issue/75804)"
  else
    failed+=("$target")
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}" >&2
  exit 1
fi
