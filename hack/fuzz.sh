#!/usr/bin/env bash
# Fuzzes targets one after the other, each given as package:Target: hack/fuzz.sh 1m internal/render:FuzzCompile ...
# What is found is written to testdata/fuzz beside the test, to be kept. All targets are run, whatever one of them finds.
#
# Up to Go 1.26 the fuzzer may take the end of its own time for a failure: it prints just "context deadline exceeded",
# without an input (https://go.dev/issue/75804, fixed in Go 1.27). That alone is no find.
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
  # Inputs that are only interesting are hardly minimized: the time would go into that, a minute for each, and not into new ones.
  if go test -run '^$' -fuzz "^${target#*:}\$" -fuzztime "$fuzztime" -fuzzminimizetime 10x ${FUZZ_FLAGS:-} "./${target%%:*}" 2>&1 | tee "$output"; then
    continue
  elif only_the_end; then
    echo "$target: the fuzzer failed at the end of its time, without an input (https://go.dev/issue/75804): no find."
  else
    failed+=("$target")
  fi
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "failed: ${failed[*]}" >&2
  exit 1
fi
