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
must "ExecStop=/bin/sh -c '.*'" "machines are outside of its group: nobody else tells them to power off"
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
# The stop, against groups and processes that pretend: a machine's first process is told, its guard is not, a frozen one
# is thawed, and the stop ends when the last one has.
line=$(sed -nE "s,^ExecStop=/bin/sh -c '(.*)'\$,\1,p" "$unit" | sed 's,\$\$,$,g')
line=${line//\/sys\/fs\/cgroup/$pretended\/cgroup}
line=${line//\/proc\//$pretended\/proc\/}
machine=$pretended/cgroup/jackdaw-0123abcd/db1
mkdir -p "$machine/agent" "$pretended/proc"
echo 1 >"$machine/cgroup.freeze"
printf 'populated 1\nfrozen 1\n' >"$machine/cgroup.events"
/bin/sh -c "trap 'sleep 0.5; printf \"populated 0\\nfrozen 0\\n\" >$machine/cgroup.events; exit' TERM; while :; do sleep 0.05; done" &
first=$!
/bin/sh -c 'while :; do sleep 0.05; done' &
guard=$!
trap 'kill $first $guard 2>/dev/null; rm -rf "${scratch:-}" "$pretended"' EXIT
for pid in "$first" "$guard"; do mkdir "$pretended/proc/$pid"; done
printf 'Name:\tx\nNSpid:\t%s\t1\n' "$first" >"$pretended/proc/$first/status"
printf 'Name:\tx\nNSpid:\t%s\t31\n' "$guard" >"$pretended/proc/$guard/status"
printf '%s\n' "$first" "$guard" >"$machine/cgroup.procs"
timeout 20 /bin/sh -c "$line" || { echo "$unit: its stop did not end"; bad=1; }
[[ $(cat "$machine/cgroup.freeze") == 0 ]] || { echo "$unit: a frozen machine stays frozen at its stop"; bad=1; }
grep -q 'populated 0' "$machine/cgroup.events" || { echo "$unit: its stop does not wait for the machines"; bad=1; }
kill -0 "$guard" 2>/dev/null || { echo "$unit: its stop ends more than a machine's first process"; bad=1; }
exit $bad
