#!/usr/bin/env bash
# `make verify`: generates and formats everything and fails if that changed a file. It keeps the changes, ready to be
# committed. It also checks every go.mod, every kustomization, the links in Markdown and the length of lines.
set -euo pipefail
cd "$(dirname "$0")/.."
failed=
fail() {
  echo "verify: $*" >&2
  failed=1
}

# state prints a checksum of every file that is tracked, or untracked and not ignored.
state() {
  git ls-files -z --cached --others --exclude-standard | sort -zu | xargs -0 sha256sum 2>/dev/null || true
}

before=$(state)
make --no-print-directory generate manifests fmt
changed=$({ diff <(echo "$before") <(state) || true; } | sed -n 's/^[<>] [0-9a-f]*  //p' | sort -u)
[ -z "$changed" ] || fail "these files were not up to date; they are now: commit them"$'\n'"$changed"

for module in . $(git ls-files 'hack/*/go.mod' 'test/*/go.mod' | xargs -n1 dirname); do
  (cd "$module" && GOWORK=off go mod tidy -diff) || fail "$module/go.mod is not tidy: cd $module && go mod tidy"
done

# Ginkgo's command and library must have the same version.
ginkgo() { GOWORK=off go list -modfile="$1" -m -f '{{.Version}}' github.com/onsi/ginkgo/v2; }
[ "$(ginkgo go.mod)" = "$(ginkgo hack/tools/go.mod)" ] ||
  fail "the version of Ginkgo in hack/tools/go.mod is not that in go.mod"

for kustomization in $(git ls-files 'config/*kustomization.yaml' | xargs -n1 dirname); do
  go tool -modfile=hack/tools/go.mod kustomize build "$kustomization" >/dev/null || fail "$kustomization does not build"
done

# Relative links in Markdown, and the Go files that docs/architecture.md names, have to exist.
for file in $(git ls-files '*.md'); do
  for link in $(grep -o '\](\([^)#:]*\)[)#]' "$file" | sed 's/^](//; s/[)#]$//'); do
    [ -e "$(dirname "$file")/$link" ] || fail "$file links to $link, which does not exist"
  done
done
for file in $(grep -o '`[a-z0-9_]*/[a-z0-9_/]*[.]go`' docs/architecture.md | tr -d '`' | sort -u); do
  [ -e "internal/$file" ] || fail "docs/architecture.md names $file, which does not exist below internal"
done

# golangci-lint checks the lines of Go code. Tables and examples in Markdown, and openapi.yaml, may be longer.
long=$(git ls-files -- '*.md' '*.sh' '*.yaml' Makefile Dockerfile .ci/run ':!*/testdata/*' ':!config/crd/bases' \
  ':!config/webhook/manifests.yaml' ':!internal/httpapi/openapi.yaml' |
  xargs awk 'FNR == 1 {example = 0} FILENAME ~ /[.]md$/ && /^ *```/ {example = !example}
    length > 120 && !example && !/^\|/ {print "  " FILENAME ":" FNR}')
[ -z "$long" ] || fail "these lines have more than 120 columns:"$'\n'"$long"

[ -z "$failed" ] || exit 1
echo "verify: everything is up to date"
