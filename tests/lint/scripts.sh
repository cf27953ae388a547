#!/usr/bin/env bash
# Every script parses, and shellcheck has nothing to say about it. Exits 77 (skipped) without shellcheck, after the
# parse was found good.
set -euo pipefail
cd "$(dirname "$0")/../.."
mapfile -t scripts < <(grep -lE '^(#!.*\<(bash|sh)\>|# shellcheck shell=bash)' -r packaging tests .ci --include='*.sh' --include='*' \
  --exclude-dir=corpus -m 1 2>/dev/null | sort -u)
((${#scripts[@]} >= 5)) || { echo "found only ${#scripts[@]} scripts: this check looks in the wrong place"; exit 1; }
for script in "${scripts[@]}"; do bash -n "$script"; done
command -v shellcheck >/dev/null || { echo "SKIPPED: shellcheck is not installed (packaging/build-deps lint)"; exit 77; }
# SC1091: files that are sourced are checked by themselves. SC2034: recipes are variables for packaging/image.
shellcheck --exclude=SC1091,SC2034 "${scripts[@]}"
