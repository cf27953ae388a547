"""A throw-away fleet of real local machines for the end-to-end tests: everything goes through the command line and the
machine's own /proc, as an operator and an attacker would do it. Nothing here knows how the programs work inside."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

STAGE = os.environ.get("JACKDAW_STAGE", "")
JACKDAW = os.path.join(STAGE, "jackdaw")
COMMAND_LIMIT = 180  # seconds; every command of a test is bounded


def skip(reason):
    print(f"SKIPPED: {reason}", flush=True)
    sys.exit(77)


def need(condition, reason):
    if not condition:
        skip(reason)


class Failed(AssertionError):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)


def wait_for(what, predicate, seconds=30.0, step=0.02):
    """Polls until predicate() is true; its last value. Fails with `what` when the time is over."""
    until = time.monotonic() + seconds
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > until:
            raise Failed(f"not within {seconds} s: {what}")
        time.sleep(step)


class Result:
    def __init__(self, process, out, err):
        self.status, self.out, self.err = process.returncode, out, err

    @property
    def json(self):
        return json.loads(self.out)


class Fleet:
    def __init__(self, name=None):
        need(os.geteuid() == 0, "machines need root")
        need(os.path.exists(JACKDAW), "JACKDAW_STAGE names no build")
        self.name = name or f"t{os.getpid()}"
        self.spawned = []

    def __enter__(self):
        self.run("fleet", "init", self.name, "--provider", "local")
        return self

    def __exit__(self, *failure):
        for process in self.spawned:
            if process.poll() is None:
                process.kill()
            process.wait()
        if failure[0] is not None:
            self.show_logs()
        done = self.run("fleet", "destroy", self.name, "--yes", ok=None)
        if done.status != 0 and failure[0] is None:
            raise Failed(f"fleet destroy: {done.err}")

    # -- commands -------------------------------------------------------------------------------
    def command(self, *words):
        return [JACKDAW, "--fleet", self.name, *words] if words[:2] != ("fleet", "init") else [JACKDAW, *words]

    def run(self, *words, ok=0, stdin=None, env=None, limit=COMMAND_LIMIT):
        """Runs `jackdaw WORDS`; `ok` is the expected exit status, None for any."""
        process = subprocess.Popen(self.command(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        try:
            out, err = process.communicate(stdin or "", timeout=limit)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            raise Failed(f"jackdaw {' '.join(words)}: not over after {limit} s\n{out}{err}") from None
        result = Result(process, out, err)
        if ok is not None and result.status != ok:
            raise Failed(f"jackdaw {' '.join(words)}: status {result.status}, not {ok}\n{out}{err}")
        return result

    def start(self, *words, env=None):
        process = subprocess.Popen(self.command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env={**os.environ, **(env or {})})
        self.spawned.append(process)
        return process

    def create(self, name, datastore="fake", volume="320M", *options, ok=0, env=None):
        return self.run("instance", "create", name, "--datastore", datastore, "--volume", volume, "--agent", STAGE,
                        "--wait", "-o", "json", *options, ok=ok, env=env)

    def show(self, name):
        return self.run("instance", "show", name, "-o", "json").json

    def status(self, name):
        return self.run("instance", "show", name, "-o", "json", ok=None)

    # -- inside a machine, through /proc --------------------------------------------------------
    def processes(self, machine, comm):
        """Host pids of the processes called `comm` in that machine of this fleet."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/comm") as file:
                    if file.read().strip() != comm:
                        continue
                if self.machine_of(pid) == machine:
                    found.append(int(pid))
        return sorted(found)

    def machine_of(self, pid):
        """The instance name of the machine that this process lives in; None for another fleet's or the host's
        (or while the machine is only being made: its drive is half written)."""
        with contextlib.suppress(OSError, ValueError):
            with open(f"/proc/{pid}/root/etc/jackdaw/config-drive/openstack/latest/user_data") as file:
                data = json.load(file)
                if data.get("fleet") == self.name:
                    return data.get("instance_name")
        return None

    def agent(self, machine):
        """Host pid of the agent: the `jackdawd` that is not the child of another one (that is jackdaw-host)."""
        agents = [pid for pid in self.processes(machine, "jackdawd")]
        return agents[0] if agents else None

    def root(self, machine):
        pid = wait_for(f"the first process of {machine}", lambda: self.processes(machine, "jackdaw-init"))[0]
        return f"/proc/{pid}/root"

    def kill(self, pid, number=signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)

    def set_faults(self, machine, *lines):
        path = f"{self.root(machine)}/var/lib/jackdaw/state/faults"
        with open(path + ".tmp", "w") as file:
            file.write("".join(line + "\n" for line in lines))
        os.chown(path + ".tmp", 47412, 47412)
        os.rename(path + ".tmp", path)

    def faults_left(self, machine):
        try:
            with open(f"{self.root(machine)}/var/lib/jackdaw/state/faults") as file:
                return [line for line in file.read().splitlines() if line]
        except FileNotFoundError:
            return []

    def show_logs(self):
        seen = set()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            machine = self.machine_of(pid)
            if machine and machine not in seen:
                seen.add(machine)
                with contextlib.suppress(OSError):
                    with open(f"/proc/{pid}/root/var/log/jackdaw/agent.log", errors="replace") as file:
                        print(f"---- agent.log of {machine}\n{''.join(file.readlines()[-60:])}", file=sys.stderr)


def api(fleet, machine, method, target, body=None, limit=30, key=None):
    """A request on the machine's own admin socket, as `curl --unix-socket` would make it; (status, JSON). With the same `key`
    again a change is the one that it was before."""
    import http.client
    import socket

    class Connection(http.client.HTTPConnection):
        def connect(self):
            self.sock = socket.socket(socket.AF_UNIX)
            self.sock.settimeout(limit)
            self.sock.connect(f"{fleet.root(machine)}/run/jackdaw/admin.sock")

    connection = Connection("localhost", timeout=limit)
    connection.request(method, target, json.dumps(body) if body is not None else None,
                       {"Idempotency-Key": key} if key else {})
    response = connection.getresponse()
    text = response.read()
    connection.close()
    return response.status, json.loads(text)


class Beside(threading.Thread):
    """Does `round()` again and again beside the block, from its beginning to its end. A round that raises is a failure of
    the block: a watcher that ended early would have proved nothing."""

    def __init__(self, pause=0.0):
        super().__init__(daemon=True)
        self.pause, self.over, self.broken = pause, threading.Event(), None

    def run(self):
        try:
            while not self.over.wait(self.pause):
                self.round()
        except Exception as error:
            self.broken = error

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *failure):
        self.over.set()
        self.join()
        if failure[0] is None and self.broken is not None:
            raise Failed(f"{type(self).__name__}: {self.broken!r}") from self.broken


def seed():
    """One seed replays a run: printed, and taken from JACKDAW_TEST_SEED when set."""
    value = int(os.environ.get("JACKDAW_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"replay with JACKDAW_TEST_SEED={value}", flush=True)
    return random.Random(value)


def main(*tests):
    for test in tests:
        began = time.monotonic()
        print(f"== {test.__name__}: {(test.__doc__ or '').strip().splitlines()[0]}", flush=True)
        test()
        print(f"   ok, {time.monotonic() - began:.1f} s", flush=True)
