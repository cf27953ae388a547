#!/usr/bin/env python3
"""SIGKILL of the agent before and after every journalled step of every action, in a real machine with the fake datastore.

The steps are taken from the program (`jackdawd --plans`), so a new step is tested, too. One machine serves all: an instance
is created in it, grown and deleted again and again through the admin socket, with the agent killed at another point each
time. After each kill the operation must come to its end by itself, and the machine must hold exactly one database or none."""
import http.client
import os
import socket
import subprocess
import sys
import time
import uuid

sys.path.insert(0, os.path.dirname(__file__))
from fleet import STAGE, Failed, Fleet, api, check, main, wait_for  # noqa: E402

POINTS = ("begin", "effect", "done")
UNDO_POINTS = ("undo", "undo-effect", "undo-done")
ENDED = ("done", "failed", "undone")


def plans():
    text = subprocess.run([os.path.join(STAGE, "jackdawd"), "--plans"], check=True, capture_output=True, text=True).stdout
    steps = {}
    for line in text.splitlines():
        action, step = line.split()
        steps.setdefault(action, []).append(step)
    return steps


class Machine:
    def __init__(self, fleet, name):
        self.fleet, self.name = fleet, name
        spec = fleet.root(name) + "/etc/jackdaw/config-drive/openstack/latest/user_data"
        import json
        with open(spec) as file:
            drive = json.load(file)
        self.spec = {"name": name, "id": drive["instance_id"], "fleet": fleet.name, "datastore": "fake",
                     "volume_size_bytes": 320 << 20, "volume_serial": drive["volume_serial"],
                     "format_serial": drive["volume_serial"], "filesystem": "xfs", "address": drive["address"],
                     "databases": [{"name": "app"}],
                     "users": [{"name": "app", "host": "%", "databases": ["app"], "password": "a-password-of-the-test"}]}

    def ask(self, method, target, body=None):
        """Through kills: the agent is back within a second. One that died before it answered is asked again, with the same
        key: a second delete would find nothing to delete."""
        key = str(uuid.uuid4())

        def once():
            try:
                return api(self.fleet, self.name, method, target, body, limit=10, key=key)
            except (OSError, http.client.HTTPException):  # no answer, or half of one
                return None
        return wait_for(f"an answer to {method} {target}", once, 15)

    def newest(self, action):
        for op in self.ask("GET", "/v1/operations?limit=20")[1]["items"]:
            if op["action"] == action:
                return op
        return None

    def end_of(self, action, seconds=60):
        def ended():
            op = self.newest(action)
            return op if op and op["status"] in ENDED else None
        return wait_for(f"the end of {action}", ended, seconds)

    def create(self):
        status, body = self.ask("PUT", "/v1/instance", self.spec)
        check(status in (200, 202), body)
        return body

    def delete(self):
        status, body = self.ask("DELETE", "/v1/instance")
        if status == 404:
            return
        check(status == 202, body)
        op = self.end_of("instance.delete")
        check(op["status"] == "done", op)

    def databases(self):
        return self.fleet.processes(self.name, "jackdaw-fake-db")

    def running(self):
        def whole():
            status, body = self.ask("GET", "/v1/instance")
            return status == 200 and body["status"] == "running" and len(self.databases()) == 1
        wait_for("one running database", whole, 30)

    def nothing_left(self):
        wait_for("no database", lambda: not self.databases(), 15)
        wait_for("no guard", lambda: not self.fleet.processes(self.name, "jackdaw-guard"), 5)

    def killed(self, line):
        check(line not in self.fleet.faults_left(self.name), f"never came to: {line}")


class Client:
    """A client of the fake that stays connected, and comes again after its session was killed."""

    def __init__(self, address):
        self.address, self.socket = address, None

    def session(self, machine):
        """The id of its session, which is there."""
        if self.socket:
            self.socket.close()
        self.socket = socket.create_connection((self.address, 7433), timeout=10)

        def listed():
            return next((one["id"] for one in machine.ask("GET", "/v1/sessions")[1]["items"] if not one["own"]), None)
        return wait_for("the client's session", listed, 15)


def matrix():
    """create, delete and growth, killed at every point, each end as they should"""
    steps = plans()
    with Fleet() as fleet:
        fleet.create("db1")
        machine = Machine(fleet, "db1")
        machine.delete()
        began = time.monotonic()
        kills = 0
        for step in steps["instance.create"]:
            for point in POINTS:
                line = f"kill instance.create {step} {point}"
                try:
                    fleet.set_faults("db1", line)
                    machine.create()
                    op = machine.end_of("instance.create")
                    check(op["status"] == "done", op)
                    machine.running()
                    machine.killed(line)
                    machine.delete()
                    machine.nothing_left()
                except Failed as failure:
                    raise Failed(f"{line}: {failure}") from failure
                kills += 1
        for step in steps["instance.delete"]:
            for point in POINTS:
                line = f"kill instance.delete {step} {point}"
                machine.create()
                check(machine.end_of("instance.create")["status"] == "done", line)
                machine.running()
                fleet.set_faults("db1", line)
                status, body = machine.ask("DELETE", "/v1/instance")
                check(status in (202, 404), body)
                op = machine.end_of("instance.delete")
                check(op["status"] == "done", f"{line}: {op}")
                machine.killed(line)
                machine.nothing_left()
                kills += 1
        machine.create()
        check(machine.end_of("instance.create")["status"] == "done", "create before the growths")
        machine.running()
        alive = machine.databases()
        for step in steps["volume.grow"]:
            for point in POINTS:
                line = f"kill volume.grow {step} {point}"
                fleet.set_faults("db1", line)
                status, body = machine.ask("POST", "/v1/instance/grow", {"size_bytes": 320 << 20})
                check(status == 202, body)
                op = machine.end_of("volume.grow")
                check(op["status"] == "done", f"{line}: {op}")
                machine.killed(line)
                check(machine.databases() == alive, f"{line}: the database went on")
                kills += 1
        print(f"   {kills} kills in {time.monotonic() - began:.0f} s", flush=True)


class Service:
    """One instance, and how each action on it is asked for."""

    COVERED = {"instance.create", "instance.delete", "volume.grow"}  # by matrix() and aborts()
    HELPERS = {"unprotect", "unset", "rename back"}

    def __init__(self, fleet):
        fleet.create("db1", "fake", "320M", "--database", "app", "--user", "app@%/app")
        self.machine = Machine(fleet, "db1")
        client = Client(fleet.show("db1")["address"])
        self.asked = {  # how each is asked for; what must be there before, as another request
            "instance.start": ("POST", "/v1/instance/start", None, "instance.stop"),
            "instance.stop": ("POST", "/v1/instance/stop", None, "instance.start"),
            "instance.restart": ("POST", "/v1/instance/restart", None, None),
            "instance.protect": ("POST", "/v1/instance/protect", None, "unprotect"),
            "instance.repair": ("POST", "/v1/instance/repair", None, None),
            "instance.rename": ("POST", "/v1/instance/rename", {"name": "db2"}, "rename back"),
            "database.create": ("POST", "/v1/databases", {"name": "shop"}, "database.delete"),
            "database.delete": ("DELETE", "/v1/databases/shop", None, "database.create"),
            "user.create": ("POST", "/v1/users", {"name": "ann", "password": "a-password-of-the-test"}, "user.delete"),
            "user.delete": ("DELETE", "/v1/users/ann", None, "user.create"),
            "user.password": ("POST", "/v1/users/app/password", {"password": "another-one-of-the-test"}, None),
            "user.grant": ("POST", "/v1/users/app/grants", {"privileges": ["READ"], "database": "app"}, "user.revoke"),
            "user.revoke": ("POST", "/v1/users/app/revocations", {"privileges": ["READ"], "database": "app"}, "user.grant"),
            "user.update": ("PATCH", "/v1/users/app", {"connections_max": 7}, None),
            "root.enable": ("PUT", "/v1/root", {"level": "standard", "password": "a-third-of-the-test"}, "root.disable"),
            "root.disable": ("DELETE", "/v1/root", None, "root.enable"),
            "config.set": ("PATCH", "/v1/parameters", {"set": {"idle_timeout": "77", "threads": "3"}}, "unset"),
            "instance.pause": ("POST", "/v1/instance/pause", {"seconds": 3600}, "instance.resume"),
            "instance.resume": ("POST", "/v1/instance/resume", None, "instance.pause"),
            "session.kill": ("DELETE", lambda: f"/v1/sessions/{client.session(self.machine)}", None, None),
            "unprotect": ("POST", "/v1/instance/unprotect", None, None),
            "rename back": ("POST", "/v1/instance/rename", {"name": "db1"}, None),
            "unset": ("PATCH", "/v1/parameters", {"unset": ["idle_timeout", "threads"]}, None),
        }

    def begin(self, action):
        """The operation's id; None when it was refused."""
        method, target, body, _ = self.asked[action]
        status, answer = self.machine.ask(method, target() if callable(target) else target, body)
        return answer["id"] if status < 400 else None

    def ended(self, operation, what):
        def once():
            op = self.machine.ask("GET", f"/v1/operations/{operation}")[1]
            return op if op["status"] in ENDED else None
        return wait_for(f"the end of {what}", once, 60)

    def end(self, action):
        """Asks for it and waits for its end; None when it was refused."""
        operation = self.begin(action)
        return self.ended(operation, action) if operation else None

    def prepare(self, action):
        before = self.asked[action][3]
        if before:
            self.end(before)  # it may be so already


def service():
    """every action on an instance that is there, killed at every point, ends as asked, with one database"""
    steps = plans()
    with Fleet() as fleet:
        at = Service(fleet)
        check(set(steps) - at.COVERED == set(at.asked) - at.HELPERS, f"an action is not tested: {sorted(steps)}")
        kills = 0
        for action in sorted(set(steps) - at.COVERED):
            for step in steps[action]:
                for point in POINTS:
                    line = f"kill {action} {step} {point}"
                    try:
                        at.prepare(action)
                        fleet.set_faults("db1", line)
                        op = at.end(action)
                        check(op and op["status"] == "done", op)
                        at.machine.killed(line)
                        if action == "instance.stop":
                            at.machine.nothing_left()
                            at.end("instance.start")
                        at.machine.running()
                    except Failed as failure:
                        raise Failed(f"{line}: {failure}") from failure
                    kills += 1
        at.end("unprotect")
        print(f"   {kills} kills", flush=True)


def undos():
    """every action on an instance that is there, aborted in its last step and killed at every point of the undoing, ends"""
    steps = plans()
    with Fleet() as fleet:
        at = Service(fleet)
        kills = 0
        for action in sorted(set(steps) - at.COVERED):
            for step in steps[action]:
                for point in UNDO_POINTS:
                    line = f"kill {action} {step} {point}"
                    pause = f"pause {action} {steps[action][-1]} effect 700"
                    try:
                        at.prepare(action)
                        fleet.set_faults("db1", pause, line)
                        operation = at.begin(action)
                        check(operation, "it is taken")
                        wait_for("its last step", lambda: pause not in fleet.faults_left("db1"), 30)
                        status, body = at.machine.ask("POST", f"/v1/operations/{operation}/abort")
                        check(status == 202, body)
                        op = at.ended(operation, action)
                        # What cannot be brought back says so, and then nothing behind it is undone.
                        refused = op["status"] == "failed" and "cannot be undone" in op["error"]["cause"]
                        check(op["status"] == "undone" or refused, op)
                        if not refused:
                            at.machine.killed(line)
                            kills += 1
                        fleet.set_faults("db1")
                        if action == "instance.start":
                            at.machine.nothing_left()
                            at.end("instance.start")
                        at.machine.running()
                    except Failed as failure:
                        raise Failed(f"{line}: {failure}") from failure
        at.end("unprotect")
        check(kills > 30, f"only {kills} kills")
        print(f"   {kills} kills", flush=True)


def aborts():
    """an abort at every step of create, and a kill at every point of its undoing, leave nothing and the next create works"""
    steps = plans()["instance.create"]
    with Fleet() as fleet:
        fleet.create("db1")
        machine = Machine(fleet, "db1")
        machine.delete()
        tries = [(step, None) for step in steps]
        tries += [(steps[-1], f"kill instance.create {step} {point}") for step in steps for point in UNDO_POINTS]
        for step, kill in tries:
            what = f"{step}, {kill}"
            pause = f"pause instance.create {step} effect 700"
            fleet.set_faults("db1", pause, *([kill] if kill else []))
            op = machine.create()
            wait_for(f"{step} is reached", lambda: pause not in fleet.faults_left("db1"), 30)
            status, body = machine.ask("POST", f"/v1/operations/{op['id']}/abort")
            check(status == 202, f"{what}: {body}")
            ended = machine.end_of("instance.create")
            check(ended["status"] == "undone", f"{what}: {ended}")
            check(not fleet.faults_left("db1"), f"{what}: {fleet.faults_left('db1')}")
            machine.nothing_left()
            check(machine.ask("GET", "/v1/instance")[0] == 404, f"{what}: the instance is forgotten")
        fleet.set_faults("db1")
        machine.create()
        check(machine.end_of("instance.create")["status"] == "done", "the next create works")
        machine.running()


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (matrix, service, undos, aborts)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
