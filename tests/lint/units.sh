#!/usr/bin/env bash
# The systemd units are well-formed and say what they must. A host without systemd cannot start them, so their text is
# what is tested: by systemd-analyze where there is one, and by the lines that the promises of packaging/README.md need.
set -euo pipefail
cd "$(dirname "$0")/../.."
unit=packaging/systemd/jackdaw-fleet.service
bad=0
must() { grep -qxE -- "$1" "$unit" || { echo "$unit: no line '$1': $2"; bad=1; }; }
must 'Type=oneshot' "it ends when the machines run"
must 'RemainAfterExit=yes' "stopping it is what ends them"
must "ExecStart=/bin/sh -c '.*/usr/bin/jackdaw fleet up .*'" "what it is for"
must 'Delegate=yes' "machines make cgroups of their own below it"
must 'KillMode=control-group' "each machine's first process gets SIGTERM and ends its database cleanly"
must 'TimeoutStopSec=[0-9]+min' "a large buffer pool takes minutes to write"
must 'WantedBy=multi-user.target' "it starts at boot"
stop=$(sed -nE 's/^TimeoutStopSec=([0-9]+)min$/\1/p' "$unit")
((${stop:-0} > 10)) || { echo "$unit: TimeoutStopSec must exceed a database's own 10 minutes"; bad=1; }
if command -v systemd-analyze >/dev/null; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  cp "$unit" "$scratch/"
  said=$(SYSTEMD_LOG_LEVEL=warning timeout 20 systemd-analyze verify --man=no "$scratch/${unit##*/}" 2>&1 | grep -F "${unit##*/}" || true)
  [[ -z $said ]] || { echo "$said"; bad=1; }
fi
# The command, as systemd would pass it on ($$ is $), against a program that pretends: each fleet is started, and one
# that fails is neither the end of it nor forgotten.
line=$(sed -nE "s,^ExecStart=/bin/sh -c '(.*)'\$,\1,p" "$unit" | sed 's,\$\$,$,g')
pretended=$(mktemp -d)
trap 'rm -rf "${scratch:-}" "$pretended"' EXIT
cat >"$pretended/jackdaw" <<'SH'
#!/bin/sh
case "$1 $2" in
  "fleet list") printf 'one\ntwo\n' ;;
  "fleet up") echo "up $3"; [ "$3" = two ] ;;
esac
SH
chmod +x "$pretended/jackdaw"
status=0
said=$(/bin/sh -c "${line//\/usr\/bin\/jackdaw/$pretended\/jackdaw}") || status=$?
[[ $said == $'up one\nup two' && $status == 1 ]] || { echo "$unit: with a fleet that fails it said '$said' and exited $status"; bad=1; }
exit $bad
