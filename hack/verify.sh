#!/usr/bin/env bash
# `make verify`: generates and formats everything and fails if that changed a file. It keeps the changes, ready to be
# committed. It also checks that every go.mod is tidy and that every kustomization builds.
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

# Ginkgo's command and its library have to be of one version.
ginkgo() { GOWORK=off go list -modfile="$1" -m -f '{{.Version}}' github.com/onsi/ginkgo/v2; }
[ "$(ginkgo go.mod)" = "$(ginkgo hack/tools/go.mod)" ] || fail "hack/tools/go.mod has another version of Ginkgo than go.mod"

for kustomization in $(git ls-files 'config/*kustomization.yaml' | xargs -n1 dirname); do
  go tool -modfile=hack/tools/go.mod kustomize build "$kustomization" >/dev/null || fail "$kustomization does not build"
done

[ -z "$failed" ] || exit 1
echo "verify: everything is up to date"
