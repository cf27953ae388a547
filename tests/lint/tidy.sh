#!/usr/bin/env bash
# tidy.sh BUILD_FOLDER [--since COMMIT | FILE...]: clang-tidy-19 on C++ files, as many at a time as there are cores.
# Without files: on those that differ from COMMIT, committed or not. Without COMMIT: from where this branch left the
# remote's (origin/HEAD, else the branch's upstream); without a remote from the last commit but one. So a fresh clone
# has nothing to check. Prints a line for each file, the findings, and what it comes to.
# Exits 0 without findings, 1 with some or with files that LIMIT_SECONDS left no time for, 77 without the tool.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=${1:?which build folder?}
shift
LIMIT_SECONDS=900
FILE_LIMIT_SECONDS=300
command -v clang-tidy-19 >/dev/null || { echo "SKIPPED: clang-tidy-19 is not installed (packaging/build-deps lint)"; exit 77; }
[[ -f $build/compile_commands.json ]] || { echo "error: $build is not configured"; exit 1; }

since='' files=()
if [[ ${1:-} == --since ]]; then since=${2:?--since needs a commit}; else files=("$@"); fi
if ((${#files[@]} == 0)); then
  git rev-parse --is-inside-work-tree >/dev/null 2>&1 || { echo "SKIPPED: not a git checkout"; exit 77; }
  if [[ -n $since ]]; then
    git rev-parse -q --verify "$since^{commit}" >/dev/null || { echo "error: no commit $since"; exit 1; }
    why="since $since"
  elif since=$(git merge-base HEAD refs/remotes/origin/HEAD 2>/dev/null) || since=$(git merge-base HEAD '@{upstream}' 2>/dev/null); then
    why="since this branch left its remote ($(git rev-parse --short "$since"))"
  else
    since=$(git rev-parse -q --verify 'HEAD~' || git rev-parse HEAD)
    why="since $(git rev-parse --short "$since")"
  fi
  mapfile -t files < <({ git diff --name-only --diff-filter=d "$since" -- '*.cpp'; git ls-files --others --exclude-standard -- '*.cpp'; } \
    | sort -u | while IFS= read -r file; do if grep -qF "/$file\"" "$build/compile_commands.json"; then echo "$file"; fi; done)
  ((${#files[@]})) || { echo "clang-tidy: no C++ file changed $why; \`tests/run lint --since COMMIT\` goes back further"; exit 0; }
  echo "clang-tidy: ${#files[@]} files changed $why; some 10 s each"
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
: >"$scratch/done"
export BUILD=$build SCRATCH=$scratch FILE_LIMIT_SECONDS ALL=${#files[@]}
one() { # one FILE: its line, and its findings with it, whatever else ends at the same moment
  local began=$SECONDS status=0 said
  # What g++ precompiled is nothing to clang, which says so.
  said=$(timeout "$FILE_LIMIT_SECONDS" clang-tidy-19 -p "$BUILD" --extra-arg=-Wno-ignored-gch --quiet --warnings-as-errors='*' "$1" 2>"$SCRATCH/stderr.$BASHPID") || status=$?
  [[ $status == 0 || -n $said ]] || said=$(printf 'ended with status %d: ' "$status"; tail -n 3 "$SCRATCH/stderr.$BASHPID")
  {
    flock 9
    echo "$status $1" >>"$SCRATCH/done"
    printf '[%d/%d] %s: %s (%d s)\n' "$(wc -l <"$SCRATCH/done")" "$ALL" "$1" "$( ((status == 0)) && echo good || echo BAD)" "$((SECONDS - began))"
    [[ $status == 0 ]] || printf '%s\n' "$said" | tee -a "$SCRATCH/findings"
  } 9>"$SCRATCH/lock"
}
export -f one
status=0
# shellcheck disable=SC2016
printf '%s\0' "${files[@]}" | timeout --foreground "$LIMIT_SECONDS" xargs -0 -n 1 -P "$(nproc)" bash -c 'one "$1"' one || status=$?
checked=$(wc -l <"$scratch/done")
bad=$(grep -vc '^0 ' "$scratch/done" || true)
if ((bad)); then
  echo "clang-tidy: FAILED: $(grep -cE ': (error|warning): ' "$scratch/findings" || true) findings in $bad of $checked files (above)"
fi
((checked == ${#files[@]})) || echo "clang-tidy: FAILED: $((${#files[@]} - checked)) of ${#files[@]} files were not checked within $LIMIT_SECONDS s"
((bad == 0 && status == 0 && checked == ${#files[@]})) || exit 1
echo "clang-tidy: ${#files[@]} files, no findings"
