#!/usr/bin/env python3
"""A program's whole day with one instance: it reads JSON and exit statuses, and no other text. Every answer on standard
output is one JSON document, every line on standard error one JSON object, every failure an exit status with an Error."""
import json
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from fleet import STAGE, Fleet, check, main, wait_for  # noqa: E402

USAGE, NOT_ALLOWED, NOT_FOUND, CONFLICT, UNREACHABLE = 2, 4, 5, 6, 8


class Script:
    def __init__(self, fleet):
        self.fleet = fleet
        self.failures = 0

    def messages(self, done, words):
        objects = []
        for line in done.err.splitlines():
            try:
                objects.append(json.loads(line))
            except ValueError:
                check(False, f"{words}: no JSON on standard error: {line!r}")
            check(objects[-1]["kind"] in ("Message", "Error"), objects[-1])
        return objects

    def ask(self, *words, stdin=None):
        """What a command that went well says."""
        done = self.fleet.run(*words, "-o", "json", stdin=stdin)
        check(not any(m["kind"] == "Error" for m in self.messages(done, words)), f"{words}: an error: {done.err}")
        document = done.json
        check(document["apiVersion"] == "jackdaw/v1" and document["kind"], document)
        return document

    def items(self, *words):
        return self.ask(*words)["items"]

    def change(self, *words, stdin=None):
        """A change that is done, with its operation."""
        operation = self.ask(*words, stdin=stdin)
        check(operation["kind"] == "Operation" and operation["status"] == "done", operation)
        return operation

    def refused(self, status, code, *words):
        """A command that fails so; its Error."""
        done = self.fleet.run(*words, "-o", "json", ok=status)
        errors = [m for m in self.messages(done, words) if m["kind"] == "Error"]
        check(len(errors) == 1 and errors[0]["code"] == code, f"{words}: {done.err}")
        check(errors[0]["message"] and errors[0]["hint"], errors[0])
        check(not done.out or done.json["kind"] == "Operation", done.out)
        self.failures += 1
        return errors[0]


def create(script, datastore):
    made = script.change("instance", "create", "db1", "--datastore", datastore, "--volume", "400M", "--agent", STAGE,
                         "--database", "app", "--user", "app/app", "--wait")
    credentials = made["result"]["credentials"]
    check([c["user"] for c in credentials] == ["app"] and len(credentials[0]["password"]) == 24, "one password, once")
    check(made["result"]["instance"]["status"] == "running", made["result"]["instance"])
    again = script.change("instance", "create", "db1", "--datastore", datastore, "--volume", "400M", "--agent", STAGE,
                          "--database", "app", "--user", "app/app", "--wait")
    check("credentials" not in again["result"] or not again["result"]["credentials"], "told once")
    script.refused(CONFLICT, "E-NAME-TAKEN", "instance", "create", "db1", "--datastore", datastore, "--volume", "500M",
                   "--agent", STAGE, "--wait")
    script.refused(USAGE, "E-INVALID", "instance", "create", "db2", "--datastore", datastore)
    script.refused(USAGE, "E-BAD-NAME", "instance", "create", "Bad Name", "--datastore", datastore, "--volume", "400M")
    script.refused(NOT_FOUND, "E-NOT-FOUND", "instance", "show", "db9")
    script.refused(USAGE, "E-INVALID", "instance", "shwo", "db1")
    check([i["name"] for i in script.items("instance", "list")] == ["db1"], "listed")
    check(script.ask("op", "show", made["id"])["status"] == "done", "its operation is history")
    check(script.ask("op", "show", made["id"][:30])["id"] == made["id"], "found by a part of its id")
    check(made["id"] in [o["id"] for o in script.items("op", "list")], "in the list")


def no_wait(script):
    begun = script.ask("instance", "restart", "db1", "--no-wait")
    check(begun["status"] in ("queued", "running", "done"), begun)
    ended = wait_for("its end", lambda: (o := script.ask("op", "show", begun["id"]))["status"] == "done" and o)
    check(all(step["status"] in ("done", "skipped") for step in ended["steps"]), ended["steps"])
    check(script.ask("op", "watch", begun["id"])["status"] == "done", "watched after its end")
    script.refused(NOT_FOUND, "E-NOT-FOUND", "op", "show", "01890000-0000-7000-8000-000000000009")


def accounts(script):
    script.change("database", "create", "db1", "orders")
    check({"app", "orders"} <= {d["name"] for d in script.items("database", "list", "db1")}, "both databases")
    made = script.change("user", "create", "db1", "ann/orders")
    first = made["result"]["credentials"][0]["password"]
    script.refused(CONFLICT, "E-NAME-TAKEN", "user", "create", "db1", "ann/orders")
    second = script.change("user", "password", "db1", "ann")["result"]["credentials"][0]["password"]
    check(first != second, "a new one")
    given = script.change("user", "password", "db1", "ann", "--password-stdin", stdin="given to it\n")
    check("given to it" not in json.dumps(given), "a password that was given is told to nobody")
    script.change("user", "grant", "db1", "ann", "SELECT,INSERT", "--on", "app")
    granted = script.ask("user", "show", "db1", "ann")["grants"]
    check(any(g["database"] == "app" and set(g["privileges"]) == {"SELECT", "INSERT"} for g in granted), granted)
    for listed in script.items("user", "list", "db1"):
        whole = script.ask("user", "show", "db1", f"{listed['name']}@{listed['host']}")
        check({key: whole.get(key, "none") for key in listed} == listed, f"{whole} has not all of {listed}")
    script.change("user", "revoke", "db1", "ann", "INSERT", "--on", "app")
    granted = script.ask("user", "show", "db1", "ann")["grants"]
    check(any(g["database"] == "app" and g["privileges"] == ["SELECT"] for g in granted), granted)
    script.refused(NOT_FOUND, "E-NOT-FOUND", "user", "show", "db1", "nobody")
    script.refused(USAGE, "E-INVALID", "user", "grant", "db1", "ann", "NOTHING", "--on", "app")
    enabled = script.change("root", "enable", "db1")
    check(enabled["result"]["credentials"][0]["password"], "root's password")
    check(script.ask("root", "show", "db1")["level"] == "standard", "its level")
    script.change("root", "disable", "db1")
    check(script.ask("root", "show", "db1")["level"] == "off", "off again")
    script.refused(USAGE, "E-UNCONFIRMED", "user", "delete", "db1", "ann")
    script.change("user", "delete", "db1", "ann", "--yes")
    script.refused(NOT_FOUND, "E-NOT-FOUND", "user", "delete", "db1", "ann", "--yes")
    script.change("database", "delete", "db1", "orders", "--yes")


def parameters(script, now, later):
    known = {p["name"]: p for p in script.items("config", "parameters", "db1")}
    check(known[now[0]]["restart"] is False and known[later[0]]["restart"] is True, "which waits for a restart")
    changed = script.change("config", "set", "db1", "=".join(now), "=".join(later))
    check(changed["target"], changed)
    shown = script.ask("config", "show", "db1")
    check(shown["settings"] == dict((now, later)) and shown["pending_restart"] == [later[0]], shown)
    own = {p["name"]: p for p in shown["parameters"]}
    check(own[now[0]]["current"] == now[1] and not own[now[0]]["pending"], own[now[0]])
    check(own[later[0]]["pending"] and own[later[0]]["configured"] == later[1], own[later[0]])
    check(script.ask("instance", "show", "db1")["pending_restart"] == [later[0]], "shown")
    waiting = [f for f in script.items("doctor", "db1") if f["name"] == "waiting parameters"]
    check(waiting[0]["state"] == "bad" and waiting[0]["mend"] == f"jackdaw instance restart db1 --fleet {script.fleet.name}", waiting)
    script.change("instance", "restart", "db1", "--wait")
    check(script.ask("instance", "show", "db1")["pending_restart"] == [], "in force")
    script.refused(NOT_FOUND, "E-NOT-FOUND", "config", "set", "db1", "no_such_parameter=1")
    script.refused(USAGE, "E-INVALID", "config", "set", "db1", f"{now[0]}=rubbish")
    script.change("config", "unset", "db1", now[0], later[0])
    check(script.ask("config", "show", "db1")["settings"] == {}, "nothing of its own is left")
    script.change("instance", "restart", "db1", "--wait")


def observed(script):
    check(any(s["own"] for s in script.items("session", "list", "db1")), "the agent's own session")
    script.refused(NOT_FOUND, "E-NOT-FOUND", "session", "kill", "db1", "999999")
    check("error" in {log["name"] for log in script.items("log", "list", "db1")}, "logs")
    check(script.ask("log", "tail", "db1", "error", "-n", "5")["lines"], "the end of one")
    script.refused(NOT_FOUND, "E-NOT-FOUND", "log", "tail", "db1", "nonsense")
    kinds = {e["kind"] for e in script.items("events", "db1", "--limit", "1000")}
    check({"database.started", "operation.done"} <= kinds, kinds)
    looked = script.items("top", "-n", "1", "--interval", "200ms")
    check(looked[0]["name"] == "db1" and looked[0]["answered"] and looked[0]["database"]["connections"] >= 1, looked)
    check(looked[0]["rates"]["cpu_percent"] is not None, looked[0]["rates"])
    check(script.items("member", "list")[0]["status"] == "alive", "members")
    check(script.items("machine", "list")[0]["state"] == "on", "machines")
    check(script.ask("datastore", "capabilities", "db1")["capabilities"]["users"], "what it can")
    check(script.ask("explain", "E-VOLUME-FULL")["exit_status"] == 6, "what a code means")
    check(script.ask("version")["agent"], "versions")


def care(script):
    script.change("instance", "pause", "db1", "--for", "1h", "--wait")
    check(script.ask("instance", "show", "db1")["maintenance"]["until"], "paused")
    script.change("instance", "resume", "db1", "--wait")
    check(script.ask("instance", "show", "db1")["maintenance"] is None, "looked after again")
    script.change("instance", "resize", "db1", "--volume", "500M", "--wait")
    check(script.ask("instance", "show", "db1")["volume"]["size_bytes"] == 500 << 20, "grown")
    script.refused(USAGE, "E-VOLUME-SHRINK", "instance", "resize", "db1", "--volume", "400M", "--wait")
    script.change("instance", "stop", "db1", "--wait")
    check(script.ask("instance", "show", "db1")["status"] == "stopped", "stopped")
    script.refused(UNREACHABLE, "E-DATABASE-DOWN", "database", "list", "db1")
    script.change("instance", "start", "db1", "--wait")
    script.change("machine", "power-off", "db1")
    script.refused(UNREACHABLE, "E-MACHINE-DOWN", "user", "list", "db1")
    check(script.items("top", "-n", "1", "--interval", "200ms")[0]["answered"] is False, "nobody answers")
    script.change("machine", "power-on", "db1")
    wait_for("it runs again", lambda: script.ask("instance", "show", "db1")["status"] == "running")


def away(script):
    script.change("instance", "protect", "db1", "--wait")
    script.refused(CONFLICT, "E-PROTECTED", "instance", "delete", "db1", "--yes")
    script.change("instance", "unprotect", "db1", "--wait")
    script.refused(USAGE, "E-UNCONFIRMED", "instance", "delete", "db1")
    script.change("instance", "delete", "db1", "--yes")
    check(script.items("instance", "list") == [], "gone")
    script.refused(NOT_FOUND, "E-NOT-FOUND", "instance", "delete", "db1", "--yes")
    check(script.items("fleet", "gc", "--dry-run") == [], "and nothing is left of it")


def whole_session():
    """create, databases, users, grants, parameters, sessions, logs, events, maintenance, growth, power, delete"""
    with Fleet() as fleet:
        script = Script(fleet)
        real = any(i["datastore"] == "mariadb" for i in script.items("image", "list"))
        create(script, "mariadb" if real else "fake")
        no_wait(script)
        accounts(script)
        parameters(script, *((("max_connections", "99"), ("back_log", "99")) if real else (("level", "7"), ("threads", "3"))))
        observed(script)
        care(script)
        away(script)
        print(f"   {script.failures} failures were told as JSON", flush=True)


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (whole_session,)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
