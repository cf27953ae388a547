#!/usr/bin/env python3
"""The fleet's membership as an operator sees it: who is gone and why, who is forgotten, keys that change under way, and what a
create that was taken back leaves in the lists of others."""
import http.client
import os
import sys

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Fleet, api, check, main, wait_for  # noqa: E402


def standings(fleet, machine):
    status, body = api(fleet, machine, "GET", "/v1/members", limit=5)
    check(status == 200, f"{status} {body}")
    return {item["name"]: item["status"] for item in body["items"]}


def log(fleet, machine):
    with open(fleet.root(machine) + "/var/log/jackdaw/agent.log", errors="replace") as file:
        return file.read()


def gone_and_forgotten():
    """a member that is gone is down with the reason, and forgotten only by the operator's signature; a refused create is never down"""
    with Fleet() as fleet:
        for name in ("db1", "db2", "db3"):
            fleet.create(name)
        everyone = dict.fromkeys(("db1", "db2", "db3"), "alive")
        for name in everyone:
            wait_for(f"{name} knows all", lambda n=name: standings(fleet, n) == everyone)
        check(fleet.run("member", "forget", "db3", ok=None).status == 6, "one that is alive is not forgotten")
        fleet.run("machine", "power-off", "db3", "--crash")
        for name in ("db1", "db2"):
            wait_for("db3 is down", lambda n=name: standings(fleet, n)["db3"] == "down", 30)
            check("member down db3" in log(fleet, name), "one line of the log tells it")
        why = fleet.run("member", "why", "db3", "-o", "json").json["items"]
        check([change["to"] for change in why][-2:] == ["suspect", "down"], why)
        check(any(change["accusers"] for change in why), why)
        check("down" in fleet.run("member", "why", "db3").out, "as a table, too")
        status, shape = api(fleet, "db1", "GET", "/v1/members/db3", limit=5)
        check(status == 200 and shape["status"] == "down", shape)
        order = {"incarnation": shape["incarnation"], "operator_key": "0" * 64, "signature": "0" * 128}
        check(api(fleet, "db1", "POST", "/v1/members/db3/forget", order)[0] == 403, "nobody's signature")
        fleet.run("member", "forget", "db3")
        for name in ("db1", "db2"):
            wait_for("db3 is forgotten", lambda n=name: "db3" not in standings(fleet, n), 10)
            check("member forgotten db3" in log(fleet, name), log(fleet, name))
            check("member left db3" not in log(fleet, name), "one event is one line")

        refused = fleet.create("db9", "fake", "320M", "--user", "jackdawd", ok=None)
        check(refused.status == 2, refused.err)
        seen = set()

        def quiet():
            seen.add(standings(fleet, "db1").get("db9", "none"))
            check(not seen & {"suspect", "down"}, seen)
            rounds.append(1)
            return len(rounds) > 80  # longer than a silent member needs to be down
        rounds = []
        wait_for("it is not missed", quiet, 60, 0.1)


def only_key(gossip):
    """The version of the one key that an agent holds and seals with; None when it holds others, too."""
    ring = gossip.get("ring", {})
    is_one = ring.get("versions") == [ring.get("sealing")] and len(ring["ids"]) == 1 and len(ring["ids"][0]) == 8
    return ring["sealing"] if is_one else None


def keys():
    """a key is handed to every agent, each seals with it when all have it, and nobody is lost; who missed it gets it later"""
    with Fleet() as fleet:
        for name in ("db1", "db2"):
            fleet.create(name)
        everyone = dict.fromkeys(("db1", "db2"), "alive")
        for name in everyone:
            wait_for(f"{name} knows all", lambda n=name: standings(fleet, n) == everyone)
        fleet.run("key", "rotate")

        def used():
            check(standings(fleet, "db1") == everyone, "nobody is lost meanwhile")
            rows = {row["version"]: row for row in fleet.run("key", "list", "-o", "json").json["items"]}
            return 2 in rows and rows[2]["sealing"] == 2
        wait_for("both seal with key 2", used, 60, 0.5)
        fleet.create("db3")  # takes the ring of the profile, which still begins with key 1
        everyone["db3"] = "alive"
        for name in everyone:
            wait_for(f"{name} knows db3", lambda n=name: standings(fleet, n) == everyone)
        check(fleet.run("key", "remove", "2", ok=None).status == 6, "the newest stays")
        wait_for("nobody seals with key 1", lambda: fleet.run("key", "remove", "1", ok=None).status == 0, 60, 0.5)
        for name in everyone:
            status, gossip = api(fleet, name, "GET", "/v1/gossip", limit=5)
            check(status == 200 and only_key(gossip) == 2, gossip)
            check(gossip["state"] == "member", gossip)
        fleet.kill(fleet.agent("db2"))  # the next agent has the ring that was given, not the hand-over's
        wait_for("db2's next agent", lambda: standings(fleet, "db1") == everyone, 30)

        def again():
            try:
                return only_key(api(fleet, "db2", "GET", "/v1/gossip", limit=2)[1]) == 2
            except (OSError, http.client.HTTPException):
                return False
        wait_for("it kept its ring", again, 30)
        wait_for("all are alive", lambda: standings(fleet, "db2") == everyone, 30)
        fleet.run("key", "rotate", "--leak")  # at once, and the one that leaked is gone when the command ends
        for name in everyone:
            check(only_key(api(fleet, name, "GET", "/v1/gossip", limit=5)[1]) == 3, name)
        wait_for("all are alive with it", lambda: all(standings(fleet, name) == everyone for name in everyone), 30)
        check([row["version"] for row in fleet.run("key", "list", "-o", "json").json["items"]] == [3], "one key is left")
        for text in (log(fleet, name) for name in everyone):
            check("member down" not in text, text)


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (gone_and_forgotten, keys)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
