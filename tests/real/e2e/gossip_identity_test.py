#!/usr/bin/env python3
"""What an agent's identity promises on the wire, whatever ends it: nothing is said twice for different news, nobody speaks beside
its twin, who lost its disk is a new life, and who cannot write on it ends."""
import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from fleet import check, main, need, seed, wait_for  # noqa: E402
from gossip_wire import Wire  # noqa: E402
from gossip_world import FLEET, PORT, Placed, World, address, key, leg, ring_text, run  # noqa: E402

VICTIM = 3
ROUNDS = 6                   # of each way to die
RINGS = 80                   # news of a life's own: more than the incarnations reserved at a time
WHY = ("No space left", "Input/output error")  # the latter for a write that was cut short
POINTS = ("boot begin", "boot done", "reserve begin", "reserve done")


def kills():
    """killed before and after each record is durable, and in between: no incarnation and no number stands for two texts"""
    chance = seed()
    with World(4) as world, Wire(leg(VICTIM), PORT, FLEET, key(1)) as wire:
        world.start((0, 1, 2))
        world.all_alive((0, 1, 2))
        lives = deaths = 0

        def live(*faults):
            """The next life of the victim, with other news than any before."""
            nonlocal lives
            lives += 1
            Placed.names[VICTIM] = f"life{lives}"
            os.makedirs(f"{world.folder}/n{VICTIM}/state", exist_ok=True)
            os.chown(f"{world.folder}/n{VICTIM}/state", 47412, 47412)
            world.set_faults(VICTIM, *faults)
            world.fleet.start(VICTIM, 0)

        def heard():
            return any(name == f"life{lives}" for told in wire.alive.values() for _, _, name in told)

        for _ in range(ROUNDS):
            for point in POINTS:
                live(f"kill gossip {point}")
                check(world.ended(VICTIM) == -signal.SIGKILL, f"{point}: it ended by itself")
                check(not world.faults_left(VICTIM), f"never came to {point}")
                check(not heard(), f"{point}: it spoke before its record was durable")
                deaths += 1
            live()
            wait_for("a life that speaks", heard, 30)
            time.sleep(chance.uniform(0, 0.2))
            world.fleet.kill(VICTIM)
            deaths += 1
        # A life that has more news than reserved, while the next reserve hangs: it falls silent and does not run ahead.
        for before, point in ((1, "begin"), (1 + RINGS, "done")):
            live()
            world.fleet.wait_ready([VICTIM])
            wait_for("a life that speaks", heard, 30)
            world.set_faults(VICTIM, f"pause gossip reserve {point} 10000")
            said = len(wire.said)
            for version in range(before + 1, before + RINGS + 1):
                world.give_ring(VICTIM, (1, version))
                time.sleep(0.02)  # so that most of it is on the wire before the next replaces it
            check(not world.faults_left(VICTIM), f"reserve {point}: no more was reserved")
            check(len(wire.said) > said, "its news is on the wire")
            world.fleet.kill(VICTIM)
            deaths += 1
            live()
            wait_for("a life that speaks", heard, 30)
            world.fleet.wait_ready([VICTIM])
            world.fleet.kill(VICTIM)
            deaths += 1
        check(deaths >= 20, f"{deaths} kills")
        check(not wire.said_twice(), f"two texts for one number: {wire.said_twice()}")
        mine = next(told for told in wire.alive.values() if told[0][2].startswith("life"))
        check(len({name for _, _, name in mine}) >= ROUNDS, f"{mine}")
        by_incarnation = sorted(set(mine))
        boots = [boot for _, boot, _ in by_incarnation]
        check(boots == sorted(boots), f"a later incarnation with an earlier boot: {by_incarnation}")
        print(f"   {deaths} kills, {len(mine)} texts of the victim on the wire, {wire.frames} frames", flush=True)


def twins():
    """two machines with one key: one falls silent, says so everywhere, and does nothing in that name; the other goes on"""
    with World(4, spare=1) as world:
        world.settle()
        world.fleet.kill(3)
        shutil.copytree(f"{world.folder}/n3", f"{world.folder}/n4", ignore=shutil.ignore_patterns("*.sock"))
        for folder, _, files in os.walk(f"{world.folder}/n4"):
            for name in (".", *files):
                os.chown(os.path.join(folder, name), 47412, 47412)
        Placed.names[4] = "n3"
        world.start((3, 4))
        wait_for("one of them sees the other", lambda: world.told("twin"), 120, 0.1)
        world.stay(10, "twin", except_for=("n3",))
        silent = [observer for observer, _ in world.told("twin")]
        check(len(silent) == 1 and silent[0] in (3, 4), f"exactly one of the two: {silent}")
        silent = silent[0]
        speaks = 7 - silent
        check(world.get(silent, "/v1/gossip")["state"] == "twin", "it says what it is")
        wait_for("its timeline tells it", lambda: world.events(silent, "gossip.twin"), 30, 0.2)
        finding = world.finding(silent, "twin")
        check(finding["state"] == "bad" and finding["severity"] == "error" and "state folder" in finding["mend"], f"{finding}")
        check(world.finding(speaks, "twin")["state"] == "ok", "the other one is well")
        for target, body in (("hint", {"topic": 1, "key": 2, "version": 3}), ("leave", None),
                             ("join", {"addresses": [f"{address(0)}:{PORT}"]}), ("ring", {"ring": ring_text((1, 2))})):
            status, answer = world.api(silent, "POST", f"/v1/gossip/{target}", body)
            check(status == 409 and "another machine holds" in answer["error"]["cause"], f"{target}: {status} {answer}")
        mine = int(world.get(silent, "/v1/gossip")["id"], 16)
        with Wire(leg(silent), PORT, FLEET, key(1)) as quiet, Wire(leg(speaks), PORT, FLEET, key(1)) as heard:
            wait_for("the other one speaks", lambda: len([one for one in heard.sent if one[0] == mine]) >= 10, 60)
            check(not [one for one in quiet.sent if one[0] == mine], "not a datagram leaves the silent one")
        world.all_alive((0, 1, 2, speaks))
        # Ended and started alone it is a member like any other.
        world.fleet.kill(speaks)
        world.fleet.kill(silent)
        world.fleet.clear()
        world.start((silent,))
        world.all_alive((0, 1, 2, silent))
        check(not world.told("twin"), "alone it has no twin")


def one_name():
    """two agents of one name: both stay members, and doctor at each of them tells of the other"""
    with World(3, spare=1) as world:
        world.settle()
        Placed.names[3] = "n1"
        world.start((3,))
        for number, other in ((1, 3), (3, 1)):
            there = world.get(other, "/v1/gossip")["id"]
            wait_for("it knows of its namesake", lambda n=number: world.finding(n, "own name")["state"] == "bad", 60, 0.2)
            finding = world.finding(number, "own name")
            check(there in finding["cause"] and "rename" in finding["mend"], f"{finding}")
        check(world.finding(0, "own name")["state"] == "ok", "who has another name is well")
        wait_for("a line in the timeline", lambda: world.events(0, "gossip.name_conflict"), 30, 0.2)


def wiped():
    """a disk that was wiped but for the keys: the next life, begun in the same second, is a later boot and says nothing twice"""
    with World(4) as world, Wire(leg(VICTIM), PORT, FLEET, key(1)) as wire:
        world.start((0, 1, 2))
        world.all_alive((0, 1, 2))
        state = f"{world.folder}/n{VICTIM}/state"
        for life in range(3):
            Placed.names[VICTIM] = f"life{life}"
            world.fleet.start(VICTIM, 0)
            world.fleet.wait_ready([VICTIM])
            wait_for("it speaks", lambda n=life: any(name == f"life{n}" for told in wire.alive.values() for _, _, name in told), 30)
            world.fleet.kill(VICTIM)
            for name in os.listdir(state):
                if not name.endswith(".key"):
                    os.remove(f"{state}/{name}")
        mine = [told for told in wire.alive.values() if told[0][2] == "life0"]
        check(len(mine) == 1, f"one identity: {mine}")
        boots = {name: boot for _, boot, name in mine[0]}
        check(boots["life0"] < boots["life1"] < boots["life2"], f"{boots}")
        check(not wire.said_twice(), f"two texts for one number: {wire.said_twice()}")
        Placed.names[VICTIM] = "life3"
        world.start((VICTIM,))
        world.all_alive()


@contextlib.contextmanager
def thin(world, number):
    """Its state lies on a volume whose pool has room for less than the volume; gives (fill the pool, make room)."""
    pool, state = f"{world.folder}/pool", f"{world.folder}/n{number}/state"
    os.makedirs(pool)
    os.makedirs(state)
    run("mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", pool)
    try:
        run("truncate", "-s", "64M", f"{pool}/volume")
        run("mkfs.ext4", "-q", "-O", "^has_journal", f"{pool}/volume")
        mounted = subprocess.run(["mount", "-o", "loop", f"{pool}/volume", state], capture_output=True, text=True, timeout=30)
        need(mounted.returncode == 0, f"no loop device here: {mounted.stderr.strip()}")
        os.chown(state, 47412, 47412)

        def fill():
            os.sync()
            with open(f"{pool}/fill", "wb", buffering=0) as file, contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))

        def make_room():
            os.remove(f"{pool}/fill")
            os.sync()
        try:
            yield fill, make_room
        finally:
            if number in world.fleet.processes:
                world.fleet.kill(number)
            run("umount", "-l", state)
    finally:
        run("umount", "-l", pool)


def full_pool():
    """a commit that the disk failed half-way ends the agent with a clear word; started again it is whole, also on the full disk"""
    need(shutil.which("mkfs.ext4"), "mkfs.ext4 is not installed")
    with World(3) as world, thin(world, 2) as (fill, make_room):
        world.settle()
        process, lines = world.fleet.processes[2], world.fleet.lines[2]
        version = 1

        def commit():
            """Whether a new ring was kept; None: nobody answered."""
            nonlocal version
            version = version % 200 + 1
            try:
                status, answer = world.api(2, "POST", "/v1/gossip/ring", {"ring": ring_text((1, 1 + version)), "use_now": False})
            except (OSError, ValueError, http.client.HTTPException):
                return None
            check(status < 300 or answer["error"]["code"] in ("E-DISK-FULL", "E-UNAVAILABLE"), f"{status} {answer}")
            return status < 300
        fill()
        wait_for("a commit that fails", lambda: not commit(), 120, 0)
        make_room()
        wait_for("its end", lambda: commit() is None and process.poll() is not None, 60, 0.1)
        check(world.ended(2) == 8, "it is to be started again")
        time.sleep(0.5)  # its last lines are read
        last = list(lines)[-4:]
        check(" E agent: commit to the agent's state: " in last[0] and any(why in last[0] for why in WHY), f"{last}")
        check("starts again by itself" in last[-1] and not any("--restore-state" in line for line in lines), f"{last}")
        # Again and again on the full disk: it serves, or it ends with a word; the state stays whole.
        fill()
        for _ in range(3):
            lines.clear()
            world.fleet.start(2, 0)
            with contextlib.suppress(RuntimeError):
                world.fleet.wait_ready([2], 5)
            for _ in range(5):
                commit()
            world.fleet.kill(2)
            check(not any("E-STATE" in line or "--restore-state" in line for line in lines), f"{list(lines)}")
        make_room()
        world.start((2,))
        world.all_alive()
        check(commit() and world.get(2, "/v1/gossip")["ring"], "it keeps what it is given")
        check(world.finding(2, "state folder") and world.events(2, "agent.died"), "and says that it had ended")


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (kills, twins, one_name, wiped, full_pool)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
