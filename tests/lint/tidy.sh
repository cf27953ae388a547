#!/usr/bin/env bash
# tidy.sh BUILD_FOLDER [FILE...]: clang-tidy-19 on the C++ files that changed since the last commit but one (two cores
# would need an hour for all). Bounded: at most 20 files and 15 minutes; what was left out is said.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:?which build folder?}
shift
MOST_FILES=20
LIMIT_SECONDS=900
command -v clang-tidy-19 >/dev/null || { echo "SKIPPED: clang-tidy-19 is not installed (packaging/build-deps lint)"; exit 77; }
[[ -f $build/compile_commands.json ]] || { echo "error: $build is not configured"; exit 1; }
files=("$@")
if ((${#files[@]} == 0)); then
  since=$(git rev-parse -q --verify 'HEAD~' || git rev-parse HEAD)
  mapfile -t files < <(git diff --name-only --diff-filter=d "$since" -- '*.cpp' | while IFS= read -r file; do
    if grep -qF "$file\"" "$build/compile_commands.json"; then echo "$file"; fi
  done)
fi
if ((${#files[@]} > MOST_FILES)); then
  echo "clang-tidy: ${#files[@]} files changed; the first $MOST_FILES are checked"
  files=("${files[@]:0:MOST_FILES}")
fi
((${#files[@]})) || { echo "clang-tidy: no C++ file changed"; exit 0; }
printf '%s\0' "${files[@]}" \
  | timeout --foreground "$LIMIT_SECONDS" xargs -0 -n 1 -P "$(nproc)" clang-tidy-19 -p "$build" --quiet --warnings-as-errors='*' 2>/dev/null
echo "clang-tidy: ${#files[@]} files checked"
