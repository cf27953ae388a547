#!/usr/bin/env python3
"""Disks that are full and volumes that are somebody else's: what is refused is told and changes nothing, what ran goes on."""
import hashlib
import os
import socket
import subprocess
import sys

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Fleet, api, check, main, seed, wait_for  # noqa: E402

VOLUME = "/var/lib/jackdaw/volume"


def fill(path):
    """A file that takes all there is: in big pieces by reservation, and what is left byte by byte."""
    step = 64 << 20
    with open(path, "wb", buffering=0) as file:
        size = 0
        while step >= 4096:
            try:
                os.posix_fallocate(file.fileno(), size, step)
                size += step
            except OSError:
                step //= 2
        file.seek(size)
        try:
            while True:
                file.write(b"\0" * 512)
        except OSError:
            pass
    check(os.statvfs(os.path.dirname(path)).f_bavail <= 16, f"{path} has not filled its disk")


def error_code(result):
    """The code that a refused command tells, in any format."""
    for word in (result.err + result.out).replace('"', " ").replace("(", " ").replace(")", " ").split():
        if word.startswith("E-"):
            return word.rstrip(",.")
    return None


def talk(instance, line, limit=5):
    """One line to the fake database over the network, and its answer."""
    with socket.create_connection((instance["address"], instance["port"]), timeout=limit) as connection:
        connection.sendall(line.encode() + b"\n")
        return connection.makefile().readline().strip()


class Client:
    """The stock client of the machine's image, over the network, as the user that the create made."""

    def __init__(self, fleet, made):
        self.fleet = fleet
        self.instance = made["result"]["instance"]
        self.password = made["result"]["credentials"][0]["password"]

    def run(self, statement, ok=0):
        script = ("read -r MYSQL_PWD && export MYSQL_PWD && exec mariadb --batch --skip-column-names "
                  f"-h {self.instance['address']} -P {self.instance['port']} -u app app")
        return self.fleet.run("machine", "shell", self.instance["name"], "--", "sh", "-c", script, ok=ok,
                              stdin=f"{self.password}\n{statement}\n")


def status_is(fleet, name, wanted):
    def same():
        shown = fleet.status(name)
        return shown.status == 0 and shown.json["status"] == wanted
    wait_for(f"{name} is {wanted}", same, 40, 0.2)


def says_full(fleet, name):
    shown = fleet.status(name)
    return shown.status == 0 and "full" in (shown.json["reason"] or "")


def everybody_answers(fleet, name):
    """The agent by the channel and by its own socket, and its journal."""
    check(fleet.show(name)["name"] == name, "show answers")
    check(fleet.run("op", "list", "--instance", name, "-o", "json").json["items"], "the journal is readable")
    check(api(fleet, name, "GET", "/v1/version")[0] == 200, "the socket answers")


def full_volume():
    """MariaDB's volume full, by its clients and by others: operations say so, all answers, growing brings it back"""
    with Fleet() as fleet:
        made = fleet.create("db1", "mariadb", "320M", "--database", "app", "--user", "app@%/app").json
        client = Client(fleet, made)
        client.run("create table t (n int auto_increment primary key, text longblob);"
                   "insert into t (text) values (repeat('a', 1000))")
        agent = fleet.agent("db1")

        # By its clients. InnoDB may answer, or die of a rollback that needs room itself: both come back by growth.
        refused = client.run("insert into t (text) values (repeat('b', 4000000));" * 100, ok=None)
        check(refused.status != 0, "the client is told")
        print(f"   InnoDB: {refused.err.strip().splitlines()[-1]}", flush=True)
        everybody_answers(fleet, "db1")
        check(fleet.agent("db1") == agent, "the agent lives")
        fleet.run("instance", "resize", "db1", "--volume", "420M", "--wait")
        status_is(fleet, "db1", "running")
        client.run("insert into t (text) values (repeat('c', 1000000))")

        # By somebody else, to the last byte: Aria would wait for room inside its start, and the growth behind that.
        fill(fleet.root("db1") + VOLUME + "/fill")
        stopped = fleet.run("database", "create", "db1", "other", "--wait", ok=None)
        check(stopped.status == 6 and error_code(stopped) == "E-VOLUME-FULL", stopped.err + stopped.out)
        check("resize" in stopped.err, f"and what helps: {stopped.err}")
        wait_for("what is wrong is shown", lambda: says_full(fleet, "db1"), 40, 0.2)
        client.run("insert into t (text) select repeat('b', 100000) from seq_1_to_40", ok=None)
        everybody_answers(fleet, "db1")
        fleet.kill(agent)
        wait_for("the next agent", lambda: fleet.agent("db1") not in (None, agent))
        wait_for("and it says what is wrong", lambda: up(fleet, "db1") and says_full(fleet, "db1"), 40, 0.2)

        fleet.run("instance", "resize", "db1", "--volume", "520M", "--wait")
        status_is(fleet, "db1", "running")
        check(client.run("select count(*) from t where text like 'a%' or text like 'c%'").out.strip() == "2", "no row is lost")
        client.run("insert into t (text) values (repeat('d', 1000000))")
        fleet.run("database", "create", "db1", "other", "--wait")


def full_root_disk():
    """the machine's root disk full: agent, socket and journal go on, so does a restart; kill -9 then is no worse"""
    random = seed()
    with Fleet() as fleet:
        fleet.create("db1", "fake", "320M", "--database", "app", "--root-disk", "256M")
        instance = fleet.show("db1")
        database = fleet.processes("db1", "jackdaw-fake-db")
        root = fleet.root("db1")
        fill(root + "/var/fill")
        everybody_answers(fleet, "db1")
        check(talk(instance, "PING").startswith("OK"), "the database serves")
        for number in range(20):  # each is a handful of commits
            fleet.run("database", "create", "db1", f"full{number}", "--wait")
        before = {op["id"]: op["status"] for op in operations(fleet)}
        check(len(before) == 21 and set(before.values()) == {"done"}, before)

        for _ in range(5):  # the agent at any moment of its own start, too
            agent = wait_for("an agent", lambda: fleet.agent("db1"))
            wait_for("a moment", lambda: random.random() < 0.05)
            fleet.kill(agent)
        check(fleet.processes("db1", "jackdaw-fake-db") == database, "the database goes on")
        check(talk(instance, "PING").startswith("OK"), "and serves")
        wait_for("an agent that works on a full disk", lambda: up(fleet, "db1"), 30, 0.1)
        check({op["id"]: op["status"] for op in operations(fleet)} == before, "the journal is as it was")
        status_is(fleet, "db1", "running")
        restarted = fleet.run("instance", "restart", "db1", "--wait", ok=None)
        check(restarted.status == 0, f"what is written down already needs no room: {restarted.err}")

        os.unlink(root + "/var/fill")
        fleet.run("database", "create", "db1", "after", "--wait")
        fleet.run("instance", "stop", "db1", "--wait")
        fleet.run("instance", "start", "db1", "--wait")
        names = {item["name"] for item in fleet.run("database", "list", "db1", "-o", "json").json["items"]}
        check(names == {"app", "after"} | {f"full{number}" for number in range(20)}, names)
        fleet.run("machine", "power-off", "db1")
        fleet.run("machine", "power-on", "db1")
        status_is(fleet, "db1", "running")
        check(set(before) < {op["id"] for op in operations(fleet)}, "the history is whole")


def operations(fleet):
    return fleet.run("op", "list", "-o", "json").json["items"]


def up(fleet, machine):
    try:
        return api(fleet, machine, "GET", "/v1/version", limit=2)[0] == 200
    except OSError:
        return False


class KeptVolume:
    """A volume without a machine, as `instance delete --keep-volume` leaves it: its serial, its file, its owner."""

    def __init__(self, fleet, name="first"):
        made = fleet.create(name, "fake", "320M", "--database", "app").json
        self.fleet = fleet
        self.owner = made["result"]["instance"]["id"]
        folder = os.path.join(os.environ.get("XDG_STATE_HOME", os.path.expanduser("~/.local/state")), "jackdaw", fleet.name)
        before = self.images(folder)
        fleet.run("instance", "delete", name, "--yes", "--keep-volume", "--wait")
        self.path = before[0]
        self.id = os.path.basename(self.path).removesuffix(".img")
        self.serial = self.id[:20]

    @staticmethod
    def images(folder):
        found = []
        for top, _, files in os.walk(folder):
            found += [os.path.join(top, file) for file in files if "volume" in top and file.endswith(".img")]
        check(len(found) == 1, found)
        return found

    def hash(self):
        with open(self.path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else \
                hashlib.sha256(file.read()).hexdigest()

    def create(self, name, *options, ok=None, datastore="fake"):
        return self.fleet.run("instance", "create", name, "--datastore", datastore, "--attach-volume", self.serial,
                              "--agent", os.environ["JACKDAW_STAGE"], "--wait", "-o", "json", *options, ok=ok)

    def refused(self, name, code, *options, **more):
        """The create stops with that code; taken back, it leaves every byte as it was."""
        before = self.hash()
        result = self.create(name, *options, **more)
        check(result.status == 6 and error_code(result) == code, f"{name}: {result.status}\n{result.out}{result.err}")
        self.fleet.run("instance", "delete", name, "--yes", "--wait")
        check(self.hash() == before, f"{name}: the volume's bytes have changed")


def foreign_volume():
    """a volume that holds anything is refused, byte for byte as it was; --take-over and --format SERIAL are orders"""
    random = seed()
    with Fleet() as fleet:
        volume = KeptVolume(fleet)
        # Stamped for another instance: whatever the spec says.
        volume.refused("x1", "E-VOLUME-FOREIGN")
        volume.refused("x2", "E-VOLUME-FOREIGN", "--fs", "ext4")
        volume.refused("x3", "E-VOLUME-FOREIGN", "--take-over", "018f0000-0000-7000-8000-000000000000")
        taken = volume.create("x4", "--take-over", volume.owner, ok=0).json
        check(taken["status"] == "done", taken)
        names = {item["name"] for item in fleet.run("database", "list", "x4", "-o", "json").json["items"]}
        check("app" in names, f"its data is there: {names}")
        fleet.run("instance", "delete", "x4", "--yes", "--keep-volume", "--wait")

        # Somebody's file systems, with no stamp of ours.
        for number, words in enumerate((("mkfs.ext4", "-q", "-F"), ("mkfs.xfs", "-q", "-f"), ("mkswap", "-q"))):
            wipe(volume.path)
            if subprocess.run([*words, volume.path], capture_output=True, check=False).returncode == 0:
                volume.refused(f"f{number}", "E-VOLUME-NOT-BLANK")
        # Bytes of no known kind, one of them, anywhere in the first 4 MiB.
        wipe(volume.path)
        at = random.randrange(4 << 20)
        with open(volume.path, "r+b") as file:
            file.seek(at)
            file.write(b"\x01")
        volume.refused("bytes", "E-VOLUME-NOT-BLANK")
        volume.refused("other", "E-VOLUME-NOT-BLANK", "--take-over", volume.owner)
        wrong = volume.create("serial", "--format", "not-this-serial")
        check(wrong.status != 0, "an order names the very serial")
        if fleet.status("serial").status != 5:
            fleet.run("instance", "delete", "serial", "--yes", "--wait", ok=None)
        with open(volume.path, "rb") as file:
            file.seek(at)
            check(file.read(1) == b"\x01", "and it is still there")
        done = volume.create("ours", "--format", volume.serial, ok=0).json
        check(done["status"] == "done", done)
        check(fleet.show("ours")["status"] == "running", "formatted by order")
        fleet.run("instance", "delete", "ours", "--yes", "--wait")
        check(not os.path.exists(volume.path), "what became its own goes with it")


def wipe(path):
    size = os.path.getsize(path)
    os.truncate(path, 0)
    os.truncate(path, size)


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (full_volume, full_root_disk, foreign_volume)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
