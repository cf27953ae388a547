#!/usr/bin/env python3
"""One command makes a database in a machine of its own, and nothing done to the agent hurts it (fake datastore)."""
import os
import signal
import socket
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Fleet, api, check, main, wait_for  # noqa: E402


def talk(address, port, line, limit=5):
    """One line to the fake database over the network, and its answer."""
    with socket.create_connection((address, port), timeout=limit) as connection:
        connection.sendall(line.encode() + b"\n")
        return connection.makefile().readline().strip()


def life_of_an_instance():
    """create, show, list, stop, start, restart, resize, delete: each ends as it says, and delete leaves nothing"""
    with Fleet() as fleet:
        made = fleet.create("db1", "fake", "320M", "--database", "app", "--user", "app@%/app").json
        check(made["status"] == "done", made)
        check(made["result"]["credentials"][0]["user"] == "app", "the generated password is shown once")
        instance = fleet.show("db1")
        check(instance["status"] == "running", instance)
        check(talk(instance["address"], instance["port"], "PING").startswith("OK"), "clients reach it by its address")

        again = fleet.create("db1", "fake", "320M", "--database", "app", "--user", "app@%/app").json
        check(again.get("no_op") is True, f"the same create again is a no-op: {again}")
        check(fleet.create("db1", "fake", "400M", ok=None).status == 6, "a taken name with another spec is a conflict")

        listed = fleet.run("instance", "list", "-o", "json").json
        check([item["name"] for item in listed["items"]] == ["db1"], listed)
        check(listed["as_of"], "a list says as of when it holds")

        fleet.run("instance", "stop", "db1", "--wait")
        check(fleet.show("db1")["status"] == "stopped", "stopped stays stopped")
        check(not fleet.processes("db1", "jackdaw-fake-db"), "no process of the database is left")
        fleet.kill(fleet.agent("db1"))
        wait_for("the next agent", lambda: api_up(fleet, "db1"))
        time.sleep(1)  # long enough for a wrong agent to start it
        check(not fleet.processes("db1", "jackdaw-fake-db"), "a stopped database is not started by the next agent")
        fleet.run("instance", "start", "db1", "--wait")
        before = fleet.show("db1")["database_process"]["pid"]
        fleet.run("instance", "restart", "db1", "--wait")
        after = fleet.show("db1")["database_process"]["pid"]
        check(before != after, "a restart is another process")

        fleet.run("instance", "resize", "db1", "--volume", "420M", "--wait")
        size = fleet.show("db1")["volume"]["size_bytes"]
        check(size == 420 << 20, f"the volume has grown: {size}")
        check(fleet.run("instance", "resize", "db1", "--volume", "400M", "--wait", ok=None).status == 2, "never shrinks")

        fleet.run("instance", "protect", "db1", "--wait")
        check(fleet.run("instance", "delete", "db1", "--yes", "--wait", ok=None).status == 6, "protected")
        fleet.run("instance", "unprotect", "db1", "--wait")
        before = fleet.show("db1")
        fleet.run("instance", "rename", "db1", "sales")
        sales = fleet.show("sales")
        check(sales["name"] == "sales" and sales["id"] == before["id"], sales)
        check(sales["database_process"] == before["database_process"], f"the database went on: {sales}")
        check(fleet.run("instance", "show", "db1", ok=None).status == 5, "the old name is nobody's")
        check(fleet.run("instance", "list", "-o", "name").out == "sales\n", "one name in the list")
        check(fleet.create("db1", ok=None).status == 6, "and stays with the machine that was made under it")
        told = fleet.run("events", "sales", "-o", "json").json["items"]
        check([e["text"] for e in told if e["kind"] == "instance.renamed"] == ["'db1' is called 'sales' now"], told)
        fleet.run("machine", "power-off", "sales")
        check(fleet.show("sales")["status"] == "unreachable", "found while it is off")
        fleet.run("machine", "power-on", "sales")
        wait_for("sales runs again", lambda: fleet.show("sales")["status"] == "running")

        fleet.run("instance", "delete", "sales", "--yes", "--wait")
        check(fleet.run("instance", "show", "sales", ok=None).status == 5, "gone")
        gone = fleet.run("fleet", "gc", "--dry-run", "-o", "json").json
        check(not gone["items"], f"delete leaves nothing: {gone}")


def api_up(fleet, machine):
    try:
        return api(fleet, machine, "GET", "/v1/version", limit=2)[0] == 200
    except OSError:
        return False


def database_outlives_the_agent():
    """20 kill -9 of the agent under a client: no failed query, the same process, never two"""
    with Fleet() as fleet:
        fleet.create("db1")
        instance = fleet.show("db1")
        since = instance["database_process"]["since"]
        pid = fleet.processes("db1", "jackdaw-fake-db")
        check(len(pid) == 1, pid)
        with socket.create_connection((instance["address"], instance["port"]), timeout=5) as connection:
            lines = connection.makefile("rw")
            for kill in range(20):
                agent = wait_for("an agent", lambda: fleet.agent("db1"))
                fleet.kill(agent)
                for _ in range(50):
                    lines.write("PING\n")
                    lines.flush()
                    check(lines.readline().startswith("OK"), f"a query failed at kill {kill}")
        wait_for("the last agent's adoption", lambda: api_up(fleet, "db1")
                 and api(fleet, "db1", "GET", "/v1/instance")[1].get("status") == "running")
        check(fleet.processes("db1", "jackdaw-fake-db") == pid, "the same process all along")
        now = fleet.show("db1")["database_process"]
        check(now["restarts"] == 0 and now["since"] == since, f"no restart is counted, and it runs since {since}: {now}")


def guard_and_database_die():
    """the guard killed: its database ends with it and both come back, once; the database killed: it comes back"""
    with Fleet() as fleet:
        fleet.create("db1")
        before = fleet.processes("db1", "jackdaw-fake-db")
        guard = fleet.processes("db1", "jackdaw-guard")
        check(len(guard) == 1, guard)
        fleet.kill(guard[0])
        wait_for("the end of the database whose guard was killed",
                 lambda: before[0] not in fleet.processes("db1", "jackdaw-fake-db"), 1.0)
        back = wait_for("another database", lambda: fleet.processes("db1", "jackdaw-fake-db"))
        check(len(back) == 1 and back != before, (before, back))
        wait_for("running", lambda: fleet.show("db1")["status"] == "running")
        check(fleet.show("db1")["database_process"]["restarts"] == 1, "the restart is counted")
        fleet.kill(back[0])
        wait_for("a third database", lambda: fleet.processes("db1", "jackdaw-fake-db") not in ([], back))
        wait_for("running again", lambda: fleet.show("db1")["status"] == "running")
        causes = {op["cause"] for op in fleet.run("op", "list", "--instance", "db1", "-o", "json").json["items"]}
        check("supervisor" in causes, f"the restarts stand in the history: {causes}")


def three_agents_know_each_other():
    """any agent answers for the fleet; a machine that is powered off shows as down"""
    with Fleet() as fleet:
        for name in ("db1", "db2", "db3"):
            fleet.create(name)

        def seen(machine):
            status, body = api(fleet, machine, "GET", "/v1/members")
            return {item["name"]: item["status"] for item in body["items"]} if status == 200 else {}

        everyone = {"db1": "alive", "db2": "alive", "db3": "alive"}
        for machine in everyone:
            wait_for(f"{machine} knows all", lambda m=machine: seen(m) == everyone)
        names = {item["name"] for item in api(fleet, "db2", "GET", "/v1/instances")[1]["items"]}
        check(names == set(everyone), names)
        fleet.run("machine", "power-off", "db3", "--crash")
        wait_for("db3 shows as down", lambda: seen("db1").get("db3") == "down" and seen("db2").get("db3") == "down")
        listed = {item["name"]: item["status"] for item in fleet.run("instance", "list", "-o", "json").json["items"]}
        check(listed["db3"] == "unreachable", listed)
        fleet.run("machine", "power-on", "db3")
        wait_for("db3 is back", lambda: seen("db1").get("db3") == "alive")
        wait_for("and runs", lambda: fleet.status("db3").status == 0 and fleet.show("db3")["status"] == "running")


def refusals():
    """unknown datastore, bad size, bad names: a clear error, the right exit status, nothing changed"""
    with Fleet() as fleet:
        for options, status in (
            (("x1", "nosuch", "320M"), 2),
            (("x1", "fake:99", "320M"), 2),
            (("x1", "fake", "1M"), 2),
            (("x1", "fake", "lots"), 2),
            (("X_1", "fake", "320M"), 2),
            (("x1", "fake", "320M", "--database", "a\nb"), 2),
            (("x1", "fake", "320M", "--user", "jackdawd"), 2),
            (("x1", "fake", "320M", "--user", "a" * 65536), 2),
        ):
            refused = fleet.create(*options, ok=None)
            check(refused.status == status, f"{str(options)[:80]}: {refused.status}\n{refused.out}{refused.err}")
            check("hint" in refused.out + refused.err, f"no hint: {refused.err[:300]}")
        check(not fleet.run("instance", "list", "-o", "json").json["items"], "nothing was made")
        check(not fleet.run("fleet", "gc", "--dry-run", "-o", "json").json["items"], "nothing is left")


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (life_of_an_instance, database_outlives_the_agent, guard_and_database_die,
                                               three_agents_know_each_other, refusals)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
