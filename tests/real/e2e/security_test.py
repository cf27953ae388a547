#!/usr/bin/env python3
"""Secrets are where they must be and nowhere else, and no death leaves them in a core file."""
import base64
import json
import os
import re
import resource
import secrets
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Fleet, check, main, wait_for  # noqa: E402
from intruder import Watcher, files_below, pages_of  # noqa: E402

CONFIG = os.path.join(os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config"), "jackdaw")
STATE = os.path.join(os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state"), "jackdaw")


def forms(raw):
    """A key as it is, in hex and in base64 at every alignment, without the characters that its surroundings share."""
    found = {raw, raw.hex().encode(), raw.hex().upper().encode()}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw)
        inner = text[4 if shift else 0:-4]
        found |= {inner, inner.replace(b"+", b"-").replace(b"/", b"_")}
    return found


class Secrets:
    """What must not be seen, and the one place where each may stand."""

    def __init__(self):
        self.needles = {}  # bytes: (what, pattern of the files that may have it)
        self.found = set()  # keys seen where they belong

    def password(self, clear):
        self.needles[clear.encode()] = (f"the password {clear[:3]}…", None)
        self.needles[base64.b64encode(clear.encode())[:-4]] = (f"the password {clear[:3]}… in base64", None)

    def key(self, what, raw, place):
        check(len(raw) == 32, f"{what} has {len(raw)} bytes: a shorter one is found by chance")
        for form in forms(raw):
            self.needles[form] = (what, re.compile(place))

    def check_bytes(self, where, data):
        for needle, (what, place) in self.needles.items():
            if needle in data:
                check(place is not None and place.search(where), f"{what} stands in {where}")
                self.found.add(what)

    def keys_of(self, fleet, machines):
        profile = f"{CONFIG}/fleets/{fleet.name}"
        with open(f"{profile}/operator.key") as file:
            own = json.load(file)
        self.key("the operator's signing key", bytes.fromhex(own["sign_secret"])[:32], r"/operator\.key$")
        self.key("the operator's channel key", bytes.fromhex(own["noise_secret"]), r"/operator\.key$")
        with open(f"{profile}/gossip.ring") as file:
            keys = re.findall(r"^[0-9]+ ([0-9a-f]{64})$", file.read(), re.M)
        check(len(keys) == 1, f"one gossip key in the ring of a new fleet, not {len(keys)}")
        self.key("the gossip key", bytes.fromhex(keys[0]), r"(/gossip\.ring|/etc/jackdaw/fleet/gossip_ring)$")
        for machine in machines:
            for name in ("sign", "noise"):
                with open(f"{fleet.root(machine)}/var/lib/jackdaw/state/{name}.key", "rb") as file:
                    self.key(f"the {name} key of {machine}", file.read(32), rf"/var/lib/jackdaw/state/{name}\.key$")


class Told:
    """Runs commands and keeps all that they print."""

    def __init__(self, fleet):
        self.fleet, self.outputs = fleet, []

    def run(self, *words, **options):
        result = self.fleet.run(*words, **options)
        self.outputs.append((" ".join(words), result.out, result.err))
        return result


def everything_with_passwords(told, hidden, datastore, folder):
    """One life of an instance with given and generated passwords; those that were generated, with the command."""
    given = [f"Geh-{secrets.token_hex(8)} eim" for _ in range(5)]
    for clear in given:
        hidden.password(clear)
    users = os.path.join(folder, "users")
    with open(users, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(f"# of the test\nfirst/app {given[0]}\nsecond@%/app {given[1]}\n")
    one = os.path.join(folder, "one")
    with open(one, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.write(given[2] + "\n")
    shown = {}

    def made(*words, **options):
        result = told.run(*words, **options)
        new = [credential["password"] for credential in result.json["result"]["credentials"]]
        for clear in new:
            hidden.password(clear)
            shown[clear] = " ".join(words)
        return new

    told_create = ("instance", "create", "db1", "--datastore", datastore, "--volume", "512M", "--agent",
                   os.environ["JACKDAW_STAGE"], "--wait", "-o", "json", "--database", "app", "--user", "made@%/app",
                   "--user-file", users)
    check(len(made(*told_create)) == 1, "only the generated password is told")
    ending = ("--instance", "db1", "--wait", "-o", "json")
    told.run("user", "create", "third", "--password-stdin", "--database", "app", *ending, stdin=given[3] + "\n")
    check(len(made("user", "create", "fourth", "--database", "app", *ending)) == 1, "told once")
    told.run("user", "password", "first", "--password-file", one, *ending)
    told.run("user", "password", "second", "--password-stdin", *ending, stdin=given[4] + "\n")
    check(len(made("user", "password", "made", *ending)) == 1, "told once")
    text = told.run("user", "password", "fourth", "--instance", "db1", "--wait").out
    clear = re.search(r"shown this once\): (\S+)", text).group(1)
    hidden.password(clear)
    shown[clear] = "user password fourth --instance db1 --wait"
    # What fails says no password either.
    for words, stdin in ((("user", "create", "jackdawd"), given[3]), (("user", "create", "x\ty"), given[3]),
                         (("user", "password", "nobody-of-that-name"), given[3]),
                         (("user", "create", "longer"), given[3] * 40)):
        refused = told.run(*words, "--password-stdin", *ending, stdin=stdin + "\n", ok=None)
        check(refused.status not in (0, 130), f"{words}: {refused.status}")
    told.run("user", "delete", "third", "--yes", *ending)
    told.run("instance", "restart", "db1", "--wait")
    told.fleet.kill(told.fleet.agent("db1"))  # the next one reads the journal
    wait_for("the next agent", lambda: told.fleet.status("db1").status == 0
             and told.fleet.show("db1")["status"] == "running")
    told.run("instance", "stop", "db1", "--wait")
    told.run("instance", "start", "db1", "--wait")
    for words in (("user", "list"), ("op", "list"), ("instance", "show", "db1")):
        for output in ("json", "yaml", "wide"):
            told.run(*words, *(() if words[0] == "instance" else ("--instance", "db1")), "-o", output)
    return shown


def secrets_of(datastore):
    with Fleet() as fleet, tempfile.TemporaryDirectory() as folder:
        told, hidden = Told(fleet), Secrets()
        marker = secrets.token_hex(16)
        with Watcher() as watcher:
            shown = everything_with_passwords(told, hidden, datastore, folder)
            decoy = subprocess.Popen(["sleep", "60"], env={"DECOY": marker})
            wait_for("the watcher sees environments", lambda: any(marker.encode() in one for one in watcher.seen))
            decoy.kill()
            decoy.wait()
        hidden.keys_of(fleet, ["db1"])
        hidden.check_bytes("the arguments or the environment of a process", b"\0".join(watcher.seen))
        for words, out, err in told.outputs:
            for clear, command in shown.items():
                if command == words:
                    check(out.count(clear) == 1, f"told once by {words}")
                    out = out.replace(clear, "")
            hidden.check_bytes(f"the output of jackdaw {words}", (out + err).encode())
        read = 0
        root = fleet.root("db1")
        for place in (CONFIG, STATE, *(root + below for below in ("/etc", "/var", "/run", "/tmp", "/root"))):
            for path in files_below(place):
                if not path.endswith(".img"):  # the volume: read as files, from inside
                    hidden.check_bytes(path, pages_of(path))
                    read += 1
        check(read > 40, f"only {read} files were read")
        for sure in ("state.mdb", "agent.log", "user_data", "operator.key"):
            check(any(os.path.basename(path) == sure for place in (CONFIG, STATE, root + "/var", root + "/etc")
                      for path in files_below(place)), f"{sure} was not among the files")
        check(len(hidden.found) == 5, f"every key was found in its own place: {hidden.found}")
        print(f"   {watcher.rounds} samples of {len(watcher.seen)} command lines and environments; {read} files; "
              f"{len(hidden.needles)} forms of secrets", flush=True)


def secrets_fake():
    """no password and no key in an argument, environment, log, journal, output or error (fake)"""
    secrets_of("fake")


def secrets_mariadb():
    """no password and no key in an argument, environment, log, journal, output or error (MariaDB)"""
    secrets_of("mariadb")


def core_files(folder):
    return [path for path in files_below(folder) if os.path.basename(path).startswith("core")
            and os.path.getsize(path) > 0 and open(path, "rb").read(4) == b"\x7fELF"]


def no_core_files():
    """an abort of each program leaves no core file, though the host allows them"""
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    with open("/proc/sys/kernel/core_pattern") as file:
        pattern = file.read().strip()
    with tempfile.TemporaryDirectory() as folder:
        here = os.getcwd()
        os.chdir(folder)
        try:
            with Fleet() as fleet:
                no_core_files_in(fleet, folder, pattern)
        finally:
            os.chdir(here)


def no_core_files_in(fleet, folder, pattern):
    control = subprocess.Popen(["sleep", "60"])
    wait_for("sleep", lambda: open(f"/proc/{control.pid}/comm").read() == "sleep\n")
    control.send_signal(signal.SIGABRT)
    control.wait()
    if pattern.startswith("core"):
        check(len(core_files(folder)) == 1, "this host keeps core files where the test looks")
        os.remove(core_files(folder)[0])
    fleet.create("db1")

    def soft_limit(pid):
        with open(f"/proc/{pid}/limits") as file:
            return re.search(r"Max core file size\s+(\S+)", file.read()).group(1)

    agent = fleet.agent("db1")
    check(os.stat(f"/proc/{agent}/environ").st_uid == 0, "the agent is not dumpable: its /proc is root's")
    wanted = {"jackdaw-init": "0", "jackdaw-guard": "0", "jackdawd": "0", "jackdaw-host": "0", "jackdaw-fake-db": "1"}
    for name, limit in wanted.items():
        pids = fleet.processes("db1", name)
        check(pids, f"no process {name}")
        for pid in pids:
            check(soft_limit(pid) == limit, f"{name}: core limit {soft_limit(pid)}, not {limit}")
    for name in ("jackdaw-fake-db", "jackdaw-host", "jackdawd", "jackdaw-guard"):
        before = fleet.processes("db1", name)
        fleet.kill(before[0], signal.SIGABRT)
        if name == "jackdaw-guard":  # blocks every signal that can be blocked
            continue
        wait_for(f"another {name}", lambda name=name, before=before: fleet.processes("db1", name) not in ([], before))
    wait_for("running again", lambda: fleet.status("db1").status == 0 and fleet.show("db1")["status"] == "running")

    process = subprocess.Popen(fleet.command("user", "create", "u", "--instance", "db1", "--password-stdin"),
                               stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    fleet.spawned.append(process)

    def reads_the_password():
        with open(f"/proc/{process.pid}/syscall") as file:
            return file.read().startswith("0 0x0 ")  # read(0, …)

    wait_for("the command reads the password", reads_the_password)
    check(soft_limit(process.pid) == "0", "the command line allows core files")
    process.send_signal(signal.SIGABRT)
    check(process.wait(30) == -signal.SIGABRT, "the abort ended it")
    for place in (folder, *(fleet.root("db1") + below for below in ("/etc", "/var", "/run", "/tmp", "/root"))):
        check(not core_files(place), f"core files: {core_files(place)}")
    top = [name for name in os.listdir(fleet.root("db1") + "/") if name.startswith("core")]
    check(not top, f"core files: {top}")


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (secrets_fake, secrets_mariadb, no_core_files)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
