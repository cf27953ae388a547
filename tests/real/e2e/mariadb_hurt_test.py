#!/usr/bin/env python3
"""What a create, a growth, a start and a stop of a real MariaDB go through: kills at every journalled point, kills of
every program at random moments inside steps, and the machine's power cut under load.

While a test hurts a machine, a watcher looks at its processes all the time: never two servers on one data folder, never
two helper programs at once."""
import contextlib
import datetime
import json
import os
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Beside, Failed, Fleet, check, main, need, seed, wait_for  # noqa: E402
from kill_matrix_test import ENDED, POINTS, Machine, plans  # noqa: E402

PASSWORD = "a-password-of-the-test"
VOLUME = 400 << 20
OURS = ("jackdaw-init", "jackdawd", "jackdaw-host", "jackdaw-guard")


def client(address, statements, password=PASSWORD, limit=30):
    """What the stock client prints for these statements, line by line; it ends at the first error."""
    done = subprocess.run(client_words(address), input=statements, capture_output=True, text=True, timeout=limit,
                          env={**os.environ, "MYSQL_PWD": password})
    check(done.returncode == 0, f"client: {done.stderr}")
    return done.stdout.split()


def client_words(address):
    return ["mariadb", "--no-defaults", "--host", address, "--user", "app", "--connect-timeout", "5", "--batch",
            "--unbuffered", "--skip-column-names", "app"]


class Process:
    """One line of /proc/PID/stat: who it is, whether it lives, whose session it is in."""

    def __init__(self, pid):
        self.pid = pid
        with open(f"/proc/{pid}/stat") as file:
            text = file.read()
        self.comm = text[text.index("(") + 1:text.rindex(")")]
        fields = text[text.rindex(")") + 2:].split()
        self.alive = fields[0] not in "ZX"
        self.parent, self.session, self.since = int(fields[1]), int(fields[3]), fields[19]

    def lives(self):
        with contextlib.suppress(OSError):
            now = Process(self.pid)
            return now.alive and now.since == self.since
        return False

    def words(self):
        with contextlib.suppress(OSError):
            with open(f"/proc/{self.pid}/cmdline") as file:
                return file.read().split("\0")[:-1]
        return []

    def holds_data(self):
        """A server, or an initialisation, that has the tablespace of the data folder open."""
        with contextlib.suppress(OSError):
            for name in os.listdir(f"/proc/{self.pid}/fd"):
                with contextlib.suppress(OSError):
                    if os.readlink(f"/proc/{self.pid}/fd/{name}").endswith("/data/ibdata1"):
                        return True
        return False


class Watcher(Beside):
    """Looks at the processes of one machine until the block ends, which fails when it saw what must never be."""

    def __init__(self, fleet, machine):
        super().__init__(pause=0.01)
        self.fleet, self.machine = fleet, machine
        self.wrong = []
        self.ours, self.guards = set(), {}

    def __exit__(self, *failure):
        super().__exit__(*failure)
        if failure[0] is None:
            self.judge()

    def judge(self):
        check(self.broken is None, f"the watcher itself: {self.broken!r}")
        check(not self.wrong, f"{len(self.wrong)} times: {self.wrong[:3]}")

    def processes(self):
        found = []
        for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
            with contextlib.suppress(OSError):
                process = Process(pid)
                key = (pid, process.since)
                if key not in self.ours and self.fleet.machine_of(pid) == self.machine:
                    self.ours.add(key)
                if key in self.ours and process.alive:
                    found.append(process)
        return found

    def round(self):
        everyone = self.processes()
        for process in everyone:
            if process.comm == "jackdaw-guard" and process.pid not in self.guards:
                words = process.words()
                self.guards[process.pid] = words[1] if len(words) > 1 else ""
        holders, helpers = [], {}
        for process in everyone:
            if process.comm in OURS:
                continue
            guard = self.guards.get(process.parent, "")
            if guard:
                self.guards[process.session] = guard
            if process.comm == "mariadbd" and process.holds_data():
                holders.append(process)
            if self.guards.get(process.session, "").startswith("op-"):
                helpers.setdefault(process.session, []).append(process)
        # A server that crashes forks for its own stack trace: until then the child has what it had.
        own = {process.pid for process in holders}
        holders = [process for process in holders if process.parent not in own]
        if len(holders) > 1 and all(process.lives() and process.holds_data() for process in holders):
            self.wrong.append(f"two servers on one data folder: {[process.words() for process in holders]}")
        formatting = [process for process in everyone if process.comm == "mkfs.xfs"]
        if holders and formatting and all(process.lives() for process in holders + formatting):
            self.wrong.append("a volume is formatted under a server")
        if len(helpers) > 1 and all(any(process.lives() for process in group) for group in helpers.values()):
            told = [[(process.pid, process.words()) for process in group] for group in helpers.values()]
            self.wrong.append(f"two helper programs at once: {told}")


class Database(Machine):
    """A machine with MariaDB in it, created, grown and deleted through its own socket."""

    def __init__(self, fleet, name):
        super().__init__(fleet, name)
        self.spec.update(datastore="mariadb", volume_size_bytes=VOLUME)
        self.address = self.spec["address"]

    def databases(self):
        return [pid for pid in self.fleet.processes(self.name, "mariadbd")]

    def operation(self, id):
        status, body = self.ask("GET", f"/v1/operations/{id}")
        check(status == 200, body)
        return body

    def ended(self, id, seconds=90):
        def over():
            op = self.operation(id)
            return op if op["status"] in ENDED else None
        return wait_for(f"the end of {id}", over, seconds)

    def owned(self):
        """One server, under one guard, whose agent knows it."""
        def whole():
            status, body = self.ask("GET", "/v1/instance")
            servers, guards = self.databases(), self.fleet.processes(self.name, "jackdaw-guard")
            if status != 200 or body["status"] != "running" or len(servers) != 1 or len(guards) != 1:
                return None
            with contextlib.suppress(OSError):
                with open(f"/proc/{servers[0]}/status") as file:
                    inside = [line.split()[-1] for line in file if line.startswith("NSpid:")][0]
                if Process(servers[0]).parent == guards[0] and int(inside) == body["database_process"]["pid"]:
                    return servers
            return None
        return wait_for("one server, one guard, one agent that knows both", whole, 40)

    def rows(self):
        return int(client(self.address, "SELECT COUNT(*) FROM kept;")[0])


def fleet_with_database(fleet):
    """A machine whose own first create went undisturbed, and whose instance is gone again."""
    fleet.create("db1", "mariadb", "400M")
    machine = Database(fleet, "db1")
    machine.delete()
    machine.nothing_left()
    return machine


# ---- every journalled point ---------------------------------------------------------------------


def chain():
    """one create, its agent killed at every journalled point in turn, ends as one usable database"""
    steps = plans()["instance.create"]
    with Fleet() as fleet:
        machine = fleet_with_database(fleet)
        lines = [f"kill instance.create {step} {point}" for step in steps for point in POINTS]
        with Watcher(fleet, "db1"):
            fleet.set_faults("db1", *lines)
            op = machine.ended(machine.create()["id"], 120)
            check(op["status"] == "done", op)
            machine.owned()
            check(not fleet.faults_left("db1"), f"never came to {fleet.faults_left('db1')}")
        found = client(machine.address, "CREATE TABLE kept (n INT PRIMARY KEY); INSERT INTO kept VALUES (7);"
                                        "SELECT n FROM kept; SELECT DATABASE();")
        check(found == ["7", "app"], found)
        found = client(machine.address, "SELECT CONVERT_TZ('2026-07-01 12:00:00', 'UTC', 'Europe/Vienna');")
        check(found == ["2026-07-01", "14:00:00"], f"time zones are known by name: {found}")
        logs = os.stat(f"{fleet.root('db1')}/var/lib/jackdaw/volume/log")
        check((logs.st_uid, logs.st_mode & 0o7777) == (47413, 0o750), f"the log folder: {logs}")
        again = machine.create()
        check(again.get("no_op") is True or again["id"] == op["id"], f"the same create again changes nothing: {again}")
        check(machine.rows() == 1, "and what was written stays")
        print(f"   {len(lines)} kills of one create", flush=True)


# ---- random moments inside steps ----------------------------------------------------------------


TOOLS = ("mkfs.xfs", "xfs_growfs", "mariadb-install", "mariadbd")


class Killer:
    """Kills one program of the machine at a moment of its own choosing while an operation runs."""

    def __init__(self, machine, random):
        self.machine, self.random = machine, random
        self.kills = []

    def victims(self, kind):
        fleet, name = self.machine.fleet, self.machine.name
        if kind == "agent":
            agent = fleet.agent(name)
            return [agent] if agent else []
        if kind in ("jackdaw-host", "jackdaw-guard"):
            return fleet.processes(name, kind)
        return [pid for tool in TOOLS for pid in fleet.processes(name, tool)]

    def strike(self, action, id, kinds, longest):
        """Waits up to `longest` seconds, then for the victim to be there; False when the operation was over before."""
        kind = self.random.choice(kinds)
        moment = time.monotonic() + self.random.uniform(0, longest)
        looked = 0.0
        while True:
            if time.monotonic() >= moment:
                found = self.victims(kind)
                if found:
                    pid = self.random.choice(found)
                    with contextlib.suppress(OSError):
                        victim = Process(pid)
                        moment_of_kill = datetime.datetime.now(datetime.timezone.utc).isoformat()[:23] + "Z"
                        self.machine.fleet.kill(pid)
                        wait_for("the end of what was killed", lambda: not victim.lives(), 10, 0.001)
                        self.count(action, self.machine.operation(id), moment_of_kill, victim.comm)
                        return True
            if time.monotonic() >= looked + 0.1:
                looked = time.monotonic()
                if self.machine.operation(id)["status"] in ENDED:
                    return False

    def count(self, action, op, moment, victim):
        """A kill counts when the operation had not ended before; told with the step that it was in."""
        if op["status"] in ENDED and op["ended_at"] <= moment:
            return
        begun = [step["name"] for step in op["steps"] if step["started_at"] and step["started_at"] <= moment]
        self.kills.append((action, begun[-1] if begun else "before the first step", victim))

    def through(self, action, id, kinds, longest, strikes, most):
        """Strikes an operation until it ends, at most three times, after which a step is not done again; sometimes it is
        aborted in between. Its last state."""
        for _ in range(strikes):
            if len(self.kills) >= most or not self.strike(action, id, kinds, longest):
                break
            if action == "instance.create" and self.random.random() < 0.1:
                self.machine.ask("POST", f"/v1/operations/{id}/abort")
        return self.machine.ended(id)

    def told(self):
        for kill in sorted(set(self.kills)):
            print(f"   {self.kills.count(kill)} x {' / '.join(kill)}", flush=True)


def kills_inside_create():
    """25 kills of agent, host, guard and tool inside a create: each ends done, or undone when it was aborted, by itself"""
    random = seed()
    with Fleet() as fleet:
        machine = fleet_with_database(fleet)
        killer = Killer(machine, random)
        with Watcher(fleet, "db1") as watcher:
            for _ in range(60):
                if len(killer.kills) == 25:
                    break
                op = machine.create()
                kinds = ("agent", "jackdaw-host", "jackdaw-guard", "tool")
                op = killer.through("instance.create", op["id"], kinds, random.choice((0.4, 1.5)), 3, 25)
                try:
                    if op["status"] == "undone":
                        machine.nothing_left()
                        check(machine.ask("GET", "/v1/instance")[0] == 404, "undone is forgotten")
                        continue
                    check(op["status"] == "done", op)
                    machine.owned()
                    client(machine.address, "CREATE TABLE kept (n INT PRIMARY KEY); INSERT INTO kept VALUES (1);")
                    fleet.kill(fleet.agent("db1"))
                    machine.create()  # known already; it must not begin again
                    machine.owned()
                    check(machine.rows() == 1, "the row is there after the same create again")
                    watcher.judge()
                    machine.delete()
                    machine.nothing_left()
                except Failed as failure:
                    raise Failed(f"after {killer.kills[-6:]}: {failure}") from failure
        killer.told()
        check(len(killer.kills) == 25, "25 kills hit")


def kills_inside_service():
    """25 kills inside growths, stops and starts: each ends as asked, every row stays"""
    random = seed()
    with Fleet() as fleet:
        made = fleet.create("db1", "mariadb", "400M", "--database", "app", "--user", "app@%/app").json
        machine = Database(fleet, "db1")
        password = made["result"]["credentials"][0]["password"]
        client(machine.address, f"SET PASSWORD = PASSWORD('{PASSWORD}');", password)
        client(machine.address, "CREATE TABLE kept (n INT PRIMARY KEY AUTO_INCREMENT);")
        killer = Killer(machine, random)
        size, rows, spans = VOLUME, 0, {}
        with Watcher(fleet, "db1") as watcher:
            for _ in range(100):
                if len(killer.kills) == 25:
                    break
                action = random.choice(("volume.grow", "instance.stop", "instance.start", "instance.start"))
                if action == "volume.grow":
                    size += 16 << 20
                    before = machine.newest(action)
                    command = fleet.start("instance", "resize", "db1", "--volume", str(size), "--no-wait")
                    op = wait_for("the growth", lambda: newer(machine.newest(action), before))
                    kinds = ("agent", "jackdaw-host", "jackdaw-guard", "tool")
                    longest = 0.05
                else:
                    if action == "instance.start":
                        check(stop(machine)["status"] == "done", "a stop before the start")
                    status, op = machine.ask("POST", "/v1/instance/" + action.removeprefix("instance."))
                    check(status == 202, op)
                    kinds = ("agent", "jackdaw-host", "jackdaw-guard", "tool")
                    longest = 0.3 if action == "instance.stop" else 1.0
                struck = len(killer.kills)
                op = killer.through(action, op["id"], kinds, min(longest, spans.get(action, longest)), 2, 25)
                if len(killer.kills) == struck:  # how long it takes by itself here: a later blow falls within
                    spans[action] = sum(step["duration_us"] for step in op["steps"]) / 1e6
                try:
                    check(op["status"] == "done", op)
                    if action == "volume.grow":
                        command.communicate(timeout=60)
                        wait_for("the new size", lambda: machine.ask("GET", "/v1/instance")[1]["volume"]["size_bytes"]
                                 == size)
                    if action == "instance.stop":
                        machine.nothing_left()
                        check(machine.ask("GET", "/v1/instance")[1]["status"] == "stopped", "stopped stays stopped")
                        check(start(machine)["status"] == "done", "a start after the stop")
                    machine.owned()
                    rows += 1
                    client(machine.address, "INSERT INTO kept VALUES (NULL);")
                    check(machine.rows() == rows, "every row is there")
                    watcher.judge()
                except Failed as failure:
                    raise Failed(f"{action} after {killer.kills[-3:]}: {failure}") from failure
        killer.told()
        check(len(killer.kills) == 25, "25 kills hit")


def newer(op, before):
    return op if op and (before is None or op["id"] != before["id"]) else None


def stop(machine):
    return machine.ended(machine.ask("POST", "/v1/instance/stop")[1]["id"])


def start(machine):
    return machine.ended(machine.ask("POST", "/v1/instance/start")[1]["id"])


# ---- power cuts ---------------------------------------------------------------------------------


class Load:
    """One session of the stock client that inserts numbered rows; `known` are those whose insert was acknowledged."""

    def __init__(self, address, password, first):
        self.known, self.next = [], first
        self.client = subprocess.Popen(client_words(address), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, text=True, env={**os.environ, "MYSQL_PWD": password})
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        with contextlib.suppress(OSError):
            while True:
                number, self.next = self.next, self.next + 1
                self.client.stdin.write(f"INSERT INTO kept VALUES ({number}, REPEAT('x', 2000)); SELECT {number};\n")
                self.client.stdin.flush()
                if self.client.stdout.readline().strip() != str(number):
                    return
                self.known.append(number)

    def end(self):
        self.client.kill()
        self.client.wait()
        self.thread.join()


def cut(fleet, name):
    fleet.run("machine", "power-off", name, "--crash")
    fleet.run("machine", "power-on", name)


def up(fleet, name):
    wait_for(f"{name} runs", lambda: fleet.status(name).status == 0 and fleet.show(name)["status"] == "running", 60)


def power_cuts_in_service():
    """12 power cuts under a client's load: every acknowledged row is there afterwards"""
    random = seed()
    with Fleet() as fleet:
        made = fleet.create("db1", "mariadb", "400M", "--root-disk", "256M", "--database", "app", "--user",
                            "app@%/app").json
        password = made["result"]["credentials"][0]["password"]
        address = fleet.show("db1")["address"]
        client(address, "CREATE TABLE kept (n INT PRIMARY KEY, text TEXT);", password)
        known, load = [], None
        with Watcher(fleet, "db1"):
            for number in range(12):
                load = Load(address, password, load.next if load else 1)
                enough = random.randrange(1, 150)
                wait_for("acknowledged rows", lambda: len(load.known) >= enough or not load.thread.is_alive(), 30)
                cut(fleet, "db1")
                load.end()
                check(len(load.known) >= enough, f"cut {number}: the load ended early: {len(load.known)} of {enough}")
                known += load.known
                if random.random() < 0.3:  # again, while the server recovers
                    wait_for("the server's start", lambda: fleet.processes("db1", "mariadbd"), 30)
                    time.sleep(random.uniform(0, 0.5))
                    cut(fleet, "db1")
                up(fleet, "db1")
                found = set(map(int, client(address, "SELECT n FROM kept;", password)))
                check(found >= set(known), f"cut {number} lost {sorted(set(known) - found)[:10]} of {len(known)}")
                check(len(found - set(known)) <= number + 1, "only a row in flight may be there unacknowledged")
        print(f"   {len(known)} acknowledged rows", flush=True)


def power_cuts_in_create():
    """8 power cuts at random moments of a create: the same create goes on and ends as one usable database"""
    random = seed()
    with Fleet() as fleet:
        for number in range(8):
            name = f"db{number}"
            words = ("--root-disk", "256M", "--database", "app", "--user", "app@%/app")
            first = fleet.start("instance", "create", name, "--datastore", "mariadb", "--volume", "400M", "--agent",
                                os.environ["JACKDAW_STAGE"], "--wait", "-o", "json", *words)
            wait_for("the machine", lambda n=name: fleet.processes(n, "jackdaw-init"))
            time.sleep(random.uniform(0, 3.5))
            cut(fleet, name)
            first.kill()
            told = first.communicate()[0]
            with Watcher(fleet, name):
                made = fleet.create(name, "mariadb", "400M", *words).json
                check(made["status"] == "done", made)
                up(fleet, name)  # when it was done before the cut, the server is only starting now
                at = fleet.show(name)
                words_of = [run["result"]["credentials"] for run in (made, json.loads(told or "{}")) if run.get("result")]
                words_of = [credentials for credentials in words_of if credentials]
                check(words_of, f"one run tells the password: {told} {made}")
                password = words_of[0][0]["password"]  # the later run's, if the first was killed right after it told
                client(at["address"], "CREATE TABLE kept (n INT PRIMARY KEY); INSERT INTO kept VALUES (1);", password)
                cut(fleet, name)
                up(fleet, name)
                check(client(at["address"], "SELECT n FROM kept;", password) == ["1"], "and holds what was written")
            fleet.run("instance", "delete", name, "--yes", "--wait")


if __name__ == "__main__":
    from shutil import which
    need(which("mariadb"), "the stock client `mariadb` is missing")
    chosen = {test.__name__: test for test in (chain, kills_inside_create, kills_inside_service, power_cuts_in_create,
                                               power_cuts_in_service)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
