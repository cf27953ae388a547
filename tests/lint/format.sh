#!/usr/bin/env bash
# The format of every C and C++ file that git tracks is clang-format-19's. Exits 77 (skipped) without the tool.
set -euo pipefail
cd "$(dirname "$0")/../.."
command -v clang-format-19 >/dev/null || { echo "SKIPPED: clang-format-19 is not installed (packaging/build-deps lint)"; exit 77; }
git rev-parse --is-inside-work-tree >/dev/null 2>&1 || { echo "SKIPPED: not a git checkout"; exit 77; }
git ls-files -z '*.h' '*.c' '*.cpp' | while IFS= read -r -d '' file; do
  if [[ -f $file ]]; then printf '%s\0' "$file"; fi
done | xargs -0 -r -n 40 -P 2 clang-format-19 --dry-run -Werror
