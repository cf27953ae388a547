#!/usr/bin/env python3
"""What can happen to an agent and its state on a machine that goes on: a clock that is set, another build in its place, a
second agent, a state that is newer, damaged or gone, an instance that leaves. The database notices nothing of it."""
import contextlib
import datetime
import hashlib
import os
import shutil
import signal
import socket
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from fleet import STAGE, Fleet, api, check, main, seed, wait_for  # noqa: E402

STATE = "/var/lib/jackdaw/state"


def up(fleet, machine):
    try:
        return api(fleet, machine, "GET", "/v1/version", limit=2)[0] == 200
    except OSError:
        return False


def running(fleet, machine):
    def adopted():
        with contextlib.suppress(OSError):
            status, body = api(fleet, machine, "GET", "/v1/instance", limit=2)
            return body if status == 200 and body["status"] == "running" else None
    return wait_for(f"{machine} runs", adopted, 30)


def operations(fleet, machine):
    return api(fleet, machine, "GET", "/v1/operations?limit=100")[1]["items"]


def log(fleet, machine):
    with open(fleet.root(machine) + "/var/log/jackdaw/agent.log", errors="replace") as file:
        return file.read()


class Client:
    """One connection to the fake database that must hold for as long as the block."""

    def __init__(self, instance):
        self.address = (instance["address"], instance["port"])

    def __enter__(self):
        self.connection = socket.create_connection(self.address, timeout=5)
        self.lines = self.connection.makefile("rw")
        return self

    def __exit__(self, *_):
        self.connection.close()

    def ping(self, when):
        self.lines.write("PING\n")
        self.lines.flush()
        check(self.lines.readline().startswith("OK"), f"a query failed: {when}")


# ---- the wall clock -------------------------------------------------------------------------------

def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def check_times(op):
    """Nothing ends before it begins, and nothing of a second takes an hour."""
    times = [op["created_at"]]
    for step in op["steps"]:
        times += [step["started_at"], step["ended_at"]]
    times.append(op["ended_at"])
    seconds = [moment(text) for text in times if text]
    check(seconds == sorted(seconds), f"the times of {op['id']} go backwards: {times}")
    check(seconds[-1] - seconds[0] < 120, f"{op['id']} seems to have taken long: {times}")
    check(abs(moment(op["deadline"]) - seconds[0] - 1800) < 1, f"the deadline of {op['id']}: {op['deadline']}")


def wall_clock():
    """the wall clock set an hour forth and back under operations and gossip: nothing early, twice or late"""
    names = ("db1", "db2", "db3")
    random = seed()
    with Fleet() as fleet:
        for name in names:
            fleet.create(name)
        for name in names:
            wait_for(f"{name} knows all", lambda n=name: standings(fleet, n) == dict.fromkeys(names, "alive"))
        databases = {name: fleet.processes(name, "jackdaw-fake-db") for name in names}
        known = {name: len(operations(fleet, name)) for name in names}
        made = []
        for number, shift in enumerate((3600, -3600, 0)):
            for name in random.sample(names, 2):
                # Set in the middle of an operation, another one waiting behind it.
                fleet.set_faults(name, "pause database.create database.create begin 1500")
                for part in ("a", "b"):
                    status, op = api(fleet, name, "POST", "/v1/databases", {"name": f"{part}{number}"})
                    check(status == 202, op)
                    made.append((name, op["id"]))
                wait_for("the step is reached", lambda n=name: not fleet.faults_left(n))
                fleet.set_faults(name, f"wall {shift}")
                if random.random() < 0.5:
                    fleet.kill(fleet.agent(name))
                wait_for("their ends", lambda n=name: up(fleet, n) and all(
                    op["status"] == "done" for op in operations(fleet, n)), 20)
                check([op["id"] for op in operations(fleet, name)][:2] == [made[-1][1], made[-2][1]], "the newest first")
                known[name] += 2
        # Three rounds of probes with the clocks an hour or two apart.
        for name, shift in zip(names, (3600, -3600, 0), strict=True):
            fleet.set_faults(name, f"wall {shift}")
        for name in names:  # one that was killed last has just joined again
            wait_for(f"{name} knows all", lambda n=name: standings(fleet, n) == dict.fromkeys(names, "alive"))
        rounds = {name: 0 for name in names}

        def observed():
            for name in names:
                seen = standings(fleet, name)
                check(seen == dict.fromkeys(names, "alive"), f"{name} sees {seen}")
                rounds[name] += 1
            return min(rounds.values()) > 60
        wait_for("a few rounds of gossip", observed, 60, 0.1)
        for name in names:
            check(fleet.processes(name, "jackdaw-fake-db") == databases[name], f"{name}: the same database")
            running(fleet, name)
            ops = operations(fleet, name)
            check(len(ops) == known[name], f"{name}: nothing but what was asked for: {ops}")
            for op in ops:
                check_times(op)


def standings(fleet, machine):
    try:
        status, body = api(fleet, machine, "GET", "/v1/members")
    except OSError:
        return {}
    return {item["name"]: item["status"] for item in body["items"]} if status == 200 else {}


# ---- another build --------------------------------------------------------------------------------

def other_build(folder, version):
    """The same program with another version in it, put in place as an upgrade does it: by rename."""
    with open(os.path.join(STAGE, "jackdawd"), "rb") as file:
        program = file.read()
    # Not with what is before it: the linker lets a string be the tail of a longer one.
    check(program.count(b"0.1.0\x00") > 0 and len(version) == 5, "the version stands in the program")
    path = os.path.join(folder, "jackdawd")
    with open(path + ".new", "wb") as file:
        file.write(program.replace(b"0.1.0\x00", version.encode() + b"\x00"))
    os.chmod(path + ".new", 0o755)
    os.rename(path + ".new", path)


@contextlib.contextmanager
def programs():
    with tempfile.TemporaryDirectory(dir="/var/tmp") as top:
        os.chmod(top, 0o755)
        folder = os.path.join(top, "stage")
        shutil.copytree(STAGE, folder)
        yield folder


def rewrite_state(fleet, machine, change):
    """Replaces state.mdb while the agent cannot write it, and ends that agent; the bytes that were there."""
    agent = wait_for("an agent", lambda: fleet.agent(machine))
    path = fleet.root(machine) + STATE + "/state.mdb"
    fleet.kill(agent, signal.SIGSTOP)
    with open(path, "rb") as file:
        before = file.read()
    after = change(before)
    if after is None:
        os.unlink(path)
    else:
        put_state(fleet, machine, after)
    fleet.kill(agent)
    return before


def put_state(fleet, machine, data):
    path = fleet.root(machine) + STATE + "/state.mdb"
    with open(path + ".put", "wb") as file:
        file.write(data)
    os.chown(path + ".put", 47412, 47412)
    os.chmod(path + ".put", 0o600)
    os.rename(path + ".put", path)


def with_format(data, old, new):
    """The state as another version would write it: the format number in its first record changed, the record's checksum
    right (agent/state/format.h)."""
    def sealed(payload):
        return hashlib.blake2b(b"\1\0\0\0\0" + payload, digest_size=16).digest() + payload
    sought = bytes([old, 0, 0, 0, 0, 0, 0, 0])
    data, found, at = bytearray(data), 0, data.find(sought)
    while at >= 0:
        if at >= 16 and sealed(bytes(data[at:at + 40])) == bytes(data[at - 16:at + 40]):
            data[at - 16:at + 40] = sealed(bytes([new]) + bytes(data[at + 1:at + 40]))
            found += 1
        at = data.find(sought, at + 1)
    check(found > 0, "the first record was not found")
    return bytes(data)


def refuses(fleet, machine, code, since):
    """The agent's log says why it does not start, again and again; its socket is not there."""
    wait_for(f"{code} in the log", lambda: code in log(fleet, machine)[since:], 20)
    check(not up(fleet, machine), "no agent serves that state")
    shown = fleet.status(machine)
    check(shown.json["status"] == "unreachable" and "agent" in shown.json["reason"], f"show says so: {shown.out} {shown.err}")
    asked = fleet.run("member", "list", ok=None)
    check(asked.status == 8 and "E-UNAVAILABLE" in asked.err, f"nobody else is there to ask: {asked.status} {asked.err}")


def upgrades():
    """upgrade, downgrade, and a state that a newer version has written: the database keeps its process and serves"""
    with programs() as stage, Fleet() as fleet:
        fleet.run("instance", "create", "db1", "--datastore", "fake", "--volume", "320M", "--agent", stage, "--wait")
        instance = running(fleet, "db1")
        database = fleet.processes("db1", "jackdaw-fake-db")
        check(instance["agent"]["version"] == "0.1.0", instance["agent"])
        with Client(instance) as client:
            for version, how in (("0.1.9", signal.SIGTERM), ("0.1.0", signal.SIGTERM), ("0.2.0", signal.SIGKILL)):
                fleet.set_faults("db1", "pause database.create database.create effect 60000")
                name = version.replace(".", "x")
                status, op = api(fleet, "db1", "POST", "/v1/databases", {"name": f"d{name}"})
                check(status == 202, op)
                wait_for("the operation is in its step", lambda: not fleet.faults_left("db1"))
                old = fleet.agent("db1")
                other_build(stage, version)
                client.ping("before the old agent goes")
                fleet.kill(old, how)
                if how == signal.SIGTERM:  # a step is cut off by the stop, but not the test's pause in it
                    fleet.kill(old)
                wait_for("the other version", lambda v=version: up(fleet, "db1") and running(
                    fleet, "db1")["agent"]["version"] == v, 30)
                client.ping(f"under {version}")
                wait_for("the operation goes on under it", lambda i=op["id"]: {
                    o["id"]: o["status"] for o in operations(fleet, "db1")}[i] == "done")
                check(fleet.processes("db1", "jackdaw-fake-db") == database, "the same process")

            # 0.2.0 has written a format that 0.1.0 does not know.
            other_build(stage, "0.1.0")
            since = len(log(fleet, "db1"))
            known = rewrite_state(fleet, "db1", lambda data: with_format(data, 1, 2))
            refuses(fleet, "db1", "E-STATE-NEWER", since)
            client.ping("while the older version refuses")
            check(fleet.processes("db1", "jackdaw-fake-db") == database, "the same process")
            with open(fleet.root("db1") + STATE + "/state.mdb", "rb") as file:
                check(with_format(file.read(), 2, 1) == known, "refused and left as it was")
            # No program here writes format 2: for the version that did, the file says what it said.
            other_build(stage, "0.2.0")
            put_state(fleet, "db1", known)
            instance = running(fleet, "db1")
            client.ping("adopted again")
            check(fleet.processes("db1", "jackdaw-fake-db") == database, "the same process all along")
            check(instance["database_process"]["restarts"] == 0, "and no restart was counted")


# ---- the state's folder ---------------------------------------------------------------------------

def two_agents():
    """a second agent on one state folder refuses and says who holds it; the first and the database notice nothing"""
    with Fleet() as fleet:
        fleet.create("db1")
        first = fleet.agent("db1")
        database = fleet.processes("db1", "jackdaw-fake-db")
        for words in (("/usr/lib/jackdaw/jackdawd",), ("setpriv", "--reuid=47412", "--regid=47412", "--clear-groups",
                                                       "/usr/lib/jackdaw/jackdawd", "--listen", "127.0.0.1:7999",
                                                       "--run", "/tmp")):
            second = fleet.run("machine", "shell", "db1", "--", *words, ok=None, limit=30)
            check(second.status == 6 and "E-STATE-LOCKED" in second.err, f"{second.status} {second.out} {second.err}")
            check("pid" in second.err, f"it says who: {second.err}")
            check(up(fleet, "db1") and fleet.agent("db1") == first, "the first goes on")
            check(fleet.processes("db1", "jackdaw-fake-db") == database, "and so does the database")
        fleet.run("database", "create", "db1", "after", "--wait")


def damaged_state():
    """state.mdb cut, emptied, altered, removed: never an empty start; --restore-state, and the database is adopted"""
    random = seed()

    def altered(data):
        """One bit of the first record, in all its versions: the newest is among them."""
        at = data.find(b"db1", 4096)
        check(at > 0, "the name stands in the state")
        out = bytearray(data)
        while at >= 0:
            out[at + 1] ^= 1 << random.randrange(8)
            at = data.find(b"db1", at + 1)
        return bytes(out)

    damages = {
        "cut": (lambda data: data[:random.randrange(4096, 40960)], "E-STATE-CORRUPT"),
        "emptied": (lambda data: b"", "E-STATE-MISSING"),
        "altered": (altered, "E-STATE-CORRUPT"),
        "removed": (lambda data: None, "E-STATE-MISSING"),
    }
    with Fleet() as fleet:
        fleet.create("db1")
        instance = running(fleet, "db1")
        database = fleet.processes("db1", "jackdaw-fake-db")
        folder = fleet.root("db1") + STATE
        wait_for("the first good copy, a minute after the start", lambda: any(
            name == "state.mdb.copy" for name in os.listdir(folder)), 90, 0.5)
        with Client(instance) as client:
            for what, (damage, code) in damages.items():
                since = len(log(fleet, "db1"))
                rewrite_state(fleet, "db1", damage)
                refuses(fleet, "db1", code, since)
                check("--restore-state" in log(fleet, "db1")[since:], "and what helps")
                client.ping(f"state {what}")
                check(fleet.processes("db1", "jackdaw-fake-db") == database, f"{what}: the same process")
                wait_for("the restored state", lambda: fleet.run(
                    "machine", "shell", "db1", "--", "/usr/lib/jackdaw/jackdawd", "--restore-state", ok=None).status == 0, 20)
                restored = running(fleet, "db1")
                client.ping(f"state {what} and restored")
                check(fleet.processes("db1", "jackdaw-fake-db") == database, f"{what}: adopted untouched")
                check(restored["id"] == instance["id"], "the same instance")
                fleet.run("database", "create", "db1", f"after-{what}", "--wait")


# ---- leaving --------------------------------------------------------------------------------------

def leaving():
    """a deleted instance is shown as left, never as down; the log tells standings, not every change of a status"""
    with Fleet() as fleet:
        for name in ("db1", "db2", "db3"):
            fleet.create(name)
        everyone = dict.fromkeys(("db1", "db2", "db3"), "alive")
        for name in everyone:
            wait_for(f"{name} knows all", lambda n=name: standings(fleet, n) == everyone)
        fleet.run("instance", "delete", "db3", "--yes", "--wait")
        seen = set()
        rounds = [0]

        def stays_left():
            both = {standings(fleet, name).get("db3") for name in ("db1", "db2")}
            seen.update(both)
            check("down" not in seen and "suspect" not in seen, f"db3 was seen as {seen}")
            rounds[0] += both == {"left"}
            return rounds[0] > 60  # longer than a silent member needs to be suspected and down
        wait_for("left, and it stays so", stays_left, 60, 0.1)
        check("member left db3" in log(fleet, "db1"), "the log tells it")
        check("member updated" not in log(fleet, "db1"), "a changed status is not worth a line")
        listed = {item["name"] for item in fleet.run("instance", "list", "-o", "json").json["items"]}
        check(listed == {"db1", "db2"}, listed)


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (wall_clock, upgrades, two_agents, damaged_state, leaving)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
