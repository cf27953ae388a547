#!/usr/bin/env python3
"""What `jackdaw doctor` finds in a fleet that is hurt, and that what it names mends it."""
import os
import shlex
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Fleet, check, main, need, wait_for  # noqa: E402


def snapshot(folder):
    """Every file below it with size and time of change, but for locks."""
    found = {}
    for base, _, names in os.walk(folder):
        if "/root" in base:  # what machines themselves write
            continue
        for name in names:
            path = os.path.join(base, name)
            if not name.endswith((".lock", ".img", ".log")) and os.path.isfile(path):
                found[path] = (os.stat(path).st_size, os.stat(path).st_mtime_ns)
    return found


class Patient:
    def __init__(self, fleet):
        self.fleet = fleet
        self.state = os.path.join(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "jackdaw", fleet.name)

    def findings(self, *words, status=None):
        done = self.fleet.run("doctor", *words, "-o", "json", ok=None)
        check(done.status in (0, 3), f"doctor: {done.status}\n{done.out}{done.err}")
        check(status is None or done.status == status, f"status {done.status}, not {status}: {done.out}")
        return [f for f in done.json["items"] if f["state"] != "ok"]

    def finding(self, name, subject=None, *words):
        found = [f for f in self.findings(*words) if f["name"] == name and (subject is None or f["subject"] == subject)]
        check(len(found) == 1, f"{name} of {subject}: {found}")
        check(found[0]["cause"] and found[0]["mend"], found[0])
        return found[0]

    def gone(self, name, subject=None):
        return not [f for f in self.findings() if f["name"] == name and (subject is None or f["subject"] == subject)]

    def mend(self, finding):
        """The command that it names, as it stands."""
        words = shlex.split(finding["mend"])
        check(words[0] == "jackdaw", finding)
        self.fleet.run(*words[1:])


def findings():
    """frozen, off, stopped, paused, silent, orphaned, damaged: each is found, changes nothing, and is mended as it says"""
    with Fleet() as fleet:
        for name in ("db1", "db2"):
            fleet.create(name)
        patient = Patient(fleet)
        check(not [f for f in patient.findings(status=0) if f["severity"] != "info"], "a healthy fleet")

        fleet.run("machine", "freeze", "db1")
        frozen = patient.finding("machine", "db1")
        patient.findings(status=3)
        patient.mend(frozen)
        wait_for("it answers", lambda: patient.gone("machine", "db1"))

        fleet.kill(fleet.processes("db2", "jackdaw-init")[0])  # its first process: nobody asked for it
        off = wait_for("it is off", lambda: [f for f in patient.findings() if f["name"] == "machine" and f["subject"] == "db2"])[0]
        check("power-on" in off["mend"], off)
        patient.mend(off)
        wait_for("it runs", lambda: patient.gone("machine", "db2") and patient.gone("database", "db2"))

        fleet.run("instance", "stop", "db1", "--wait")
        patient.mend(patient.finding("database", "db1", "db1"))
        fleet.run("instance", "pause", "db1", "--wait")
        patient.mend(patient.finding("maintenance", "db1", "db1"))
        wait_for("both are mended", lambda: not patient.findings("db1", status=0))

        gone = fleet.run("instance", "delete", "db2", "--yes", "-o", "json").json
        check(gone["status"] == "done", gone)
        left = os.path.join(patient.state, "volumes")
        identity = "01890000-0000-7000-8000-000000000001"
        with open(os.path.join(left, identity + ".json"), "w", encoding="utf-8") as file:
            file.write("{")
        before = snapshot(patient.state)
        damaged = patient.finding("volume", identity)
        check(damaged["severity"] == "error", damaged)
        check(snapshot(patient.state) == before, "doctor changed a file")
        os.unlink(os.path.join(left, identity + ".json"))

        record = os.path.join(patient.state, "ops", identity + ".json")
        with open(record, "w", encoding="utf-8") as file:
            file.write("no record")
        check(patient.finding("journal", record)["severity"] == "warning", "a record that cannot be read")
        os.unlink(record)

        machine = os.path.join(patient.state, "machines", "db1", "machine.json")
        with open(machine, encoding="utf-8") as file:
            good = file.read()
        with open(machine, "w", encoding="utf-8") as file:
            file.write(good[:20])
        check("machine.json" in patient.finding("machine", "db1")["mend"], "a damaged record")
        with open(machine, "w", encoding="utf-8") as file:
            file.write(good)
        check(not [f for f in patient.findings(status=0) if f["severity"] == "error"], "whole again")


def lost_account():
    """a tenant takes the agent's account away in maintenance, where nothing is repaired unasked: doctor says so, and its command
    gives it back"""
    with Fleet() as fleet:
        images = fleet.run("image", "list", "-o", "json").json["items"]
        need(any(i["datastore"] == "mariadb" for i in images), "no MariaDB image")
        fleet.create("db1", "mariadb", "400M")
        patient = Patient(fleet)
        fleet.run("root", "enable", "db1", "--superuser", "--password-stdin", "--yes", stdin="word of the tenant\n")
        check(patient.finding("root", "db1", "db1")["severity"] == "warning", "what root could do")
        fleet.run("instance", "pause", "db1", "--for", "10m")
        for statement in ("ALTER USER jackdawd@localhost ACCOUNT LOCK", "DROP USER jackdawd@localhost"):
            fleet.run("connect", "db1", "--user", "root", "--password-stdin", stdin=f"word of the tenant\n{statement};\n")
            lost = patient.finding("agent's account", "db1", "db1")
            check(lost["severity"] == "error" and "jackdawd" in lost["cause"] and "repair" in lost["mend"], lost)
            check(fleet.show("db1")["status"] == "running", "the session that is kept goes on")
            began = time.monotonic()
            fleet.run(*shlex.split(lost["mend"])[1:], "--wait")
            print(f"   given back by the repair: {time.monotonic() - began:.1f} s", flush=True)
            wait_for("it is there again", lambda: not [f for f in patient.findings("db1") if f["name"] == "agent's account"])


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (findings, lost_account)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
