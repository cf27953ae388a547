#!/usr/bin/env python3
"""Gossip of real agents over links that lose, cut and shrink: who lives is not called down, who is gone is, and all agree again
when the link is back."""
import os
import signal
import sys

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Beside, check, main, wait_for  # noqa: E402
from gossip_world import PORT, World, address  # noqa: E402

LOSS_SECONDS = 30       # at each loss; the simulation looks at longer times
PARTITION_SECONDS = 20
SMALL_MTU = 1280        # IPv6's smallest, and a common tunnel's


def loss():
    """a tenth and then a third of all datagrams lost: nobody is called down, news arrives, all agree"""
    with World(6) as world:
        world.settle()
        for percent in (10, 30):
            rules = [f"udp dport {PORT} numgen random mod 100 < {percent} counter drop"]
            with world.filtered(dict.fromkeys(world.numbers, rules)):
                world.stay(LOSS_SECONDS)
                world.fleet.clear()
                status, body = world.api(2, "POST", "/v1/gossip/hint", {"topic": 63, "key": percent, "version": 1})
                check(status < 300, f"{status} {body}")
                world.wait_told("hint", [(number, str(percent)) for number in world.numbers if number != 2], 30)
                lost = [world.inside(number, "nft", "list", "table", "ip", "test") for number in world.numbers]
                check(all("packets 0 " not in text for text in lost), f"the rule lost nothing: {lost}")
                check(not world.told("down"), f"{world.told('down')}")
        world.all_alive()
        # A newcomer over a lossy link sees all of them, and they see it.
    with World(6) as world:
        with world.filtered(dict.fromkeys(world.numbers, [f"udp dport {PORT} numgen random mod 100 < 30 drop"])):
            world.start()
            world.all_alive()
            check(not world.told("down"), f"{world.told('down')}")


def small_packets():
    """links of 1280 bytes: the largest datagrams pass, each unfragmentable, none in pieces"""
    with World(8, mtu=SMALL_MTU) as world:
        big = f"udp dport {PORT} udp length > 1100 counter"
        whole = f"udp dport {PORT} ip frag-off & 0x4000 == 0x0 counter"  # the bit that says: not in pieces
        pieces = "ip frag-off & 0x3fff != 0x0 counter"
        with world.filtered(dict.fromkeys(world.numbers, [big, whole, pieces])):
            world.settle()
            seen = []
            for number in world.numbers:
                text = world.inside(number, "nft", "list", "table", "ip", "test")
                seen.append([int(line.split("packets ")[1].split()[0]) for line in text.splitlines() if "packets" in line])
            check(all(len(one) == 3 for one in seen), f"{seen}")
            check(sum(one[0] for one in seen) > 0, f"no datagram of a full page among {seen}: the test shows nothing")
            check(all(one[1] == 0 and one[2] == 0 for one in seen), f"fragmentable datagrams, or pieces: {seen}")
        for number in world.numbers:
            check(world.figure(number, "unsent.too_big") == 0, f"n{number} could not send what it wanted")
        world.stay(10)


def one_way():
    """what n1 sends to n2 is lost, and nothing else: both stay, and it can be seen who does not reach whom"""
    with World(6) as world:
        world.settle()
        with world.filtered({2: [f"ip saddr {address(1)} udp dport {PORT} counter drop"]}):
            def seen():
                check(not world.told("down"), f"{world.told('down')}")
                return world.finding(1, "links")["state"] == world.finding(2, "links")["state"] == "bad"
            wait_for("both ends tell whom they do not reach", seen, 240, 0.5)
            for here, there in ((1, "n2"), (2, "n1")):
                finding = world.finding(here, "links")
                check(f"'{there}'" in finding["cause"] and there in finding["mend"], f"{finding}")
            for number in (0, 3, 4, 5):
                check(world.finding(number, "links")["state"] == "ok", f"n{number}: {world.finding(number, 'links')}")
        world.all_alive()
        check(not world.told("down"), f"{world.told('down')}")
        wait_for("both reach each other again",
                 lambda: world.finding(1, "links")["state"] == world.finding(2, "links")["state"] == "ok", 60, 0.5)


def pauses():
    """one that stands still for 1.5 s is not called down; for 10 s it is, comes back, and accuses nobody of its own sleep"""
    with World(6) as world:
        world.settle()
        for number in (3, 4):
            world.signal(number, signal.SIGSTOP)
            world.stay(1.5)
            world.signal(number, signal.SIGCONT)
            world.stay(5)
        world.all_alive()
        check(not world.told("down"), f"{world.told('down')}")
        world.fleet.clear()
        others = [number for number in world.numbers if number != 3]
        world.signal(3, signal.SIGSTOP)
        try:
            world.wait_told("down", [(number, "n3") for number in others], 30)
            world.stay(5, except_for=("n3",))
        finally:
            world.signal(3, signal.SIGCONT)
        world.wait_told("recovered", [(number, "n3") for number in others])
        world.all_alive()
        world.stay(5, except_for=("n3",))
        check(not [pair for pair in world.told("down") if pair[0] == 3], "who slept called nobody down")


def partition():
    """a third is cut off: either side calls the other down, and after the heal all are alive everywhere"""
    with World(6) as world:
        world.settle()
        few, many = (0, 1), (2, 3, 4, 5)
        cut = ", ".join(address(number) for number in few)
        with world.filtered({number: [f"ip saddr {{ {cut} }} drop"] for number in many}
                            | {number: [f"ip saddr != {{ {cut} }} drop"] for number in few}):
            world.wait_told("down", [(a, f"n{b}") for a in few for b in many] + [(b, f"n{a}") for a in few for b in many], 60)
            for side in (few, many):
                for number in side:
                    for other in side:
                        check(world.standings(number)[f"n{other}"] == "alive", "who hears each other stays together")
            world.fleet.clear()
            world.stay(PARTITION_SECONDS)
        world.all_alive()
        world.wait_told("recovered", [(a, f"n{b}") for a in few for b in many] + [(b, f"n{a}") for a in few for b in many], 60)


def isolated():
    """one that hears nobody says so, in its log, its timeline and to doctor, and calls nobody down"""
    with World(4) as world:
        world.settle()
        with world.filtered({3: [f"udp dport {PORT} drop"]}):
            world.wait_told("isolated", [(3, "isolated")])
            finding = world.finding(3, "gossip")
            check(finding["state"] == "bad" and finding["severity"] == "error" and finding["mend"], f"{finding}")
            check(world.get(3, "/v1/gossip")["state"] == "isolated", "gossip tells it")
            wait_for("its timeline tells it", lambda: world.events(3, "gossip.isolated"), 30, 0.2)
            world.stay(5, except_for=("n3",))
        world.wait_told("reconnected", [(3, "reconnected")])
        world.all_alive()
        check(world.finding(3, "gossip")["state"] == "ok", f"{world.finding(3, 'gossip')}")


def one_way_out():
    """what one sends reaches nobody, and it hears all: it says that it is not reached, though it sees all alive"""
    with World(4) as world:
        world.settle()
        with world.filtered({other: [f"ip saddr {address(3)} udp dport {PORT} drop"] for other in (0, 1, 2)}):
            world.wait_told("down", [(other, "n3") for other in (0, 1, 2)])
            wait_for("it says that it is not reached", lambda: world.finding(3, "own address")["state"] == "bad", 150, 1)
            check(world.standings(3) == {f"n{number}": "alive" for number in range(4)}, f"{world.standings(3)}")
        world.all_alive()


def laggards():
    """two that miss the same rotation hear each other and no other: both say that they miss keys, until they are given them"""
    with World(4) as world:
        world.settle()
        for number in (2, 3):
            world.fleet.kill(number)
        world.wait_told("down", [(other, f"n{gone}") for other in (0, 1) for gone in (2, 3)])
        for versions in ((1, 2), (2,)):
            for number in (0, 1):
                world.give_ring(number, versions, use_now=True)
        world.start((2,))
        world.start((3,), seed=2)
        world.all_alive((2, 3))
        for number in (2, 3):
            wait_for("it says that keys are missed", lambda n=number: world.finding(n, "foreign keys")["state"] == "bad", 120, 1)
            check("key rotate" in world.finding(number, "foreign keys")["mend"], f"{world.finding(number, 'foreign keys')}")
        for number in (2, 3):
            world.give_ring(number, (1, 2), use_now=True)
        world.all_alive()


def starts_alone():
    """one that starts again while it is cut off, with its state or without, says that nobody answers, until somebody does"""
    with World(3) as world:
        world.settle()
        for keeps in (True, False):
            with world.filtered({2: [f"udp dport {PORT} drop"]}):
                world.fleet.kill(2)
                state = f"{world.folder}/n2/state"
                for name in () if keeps else os.listdir(state):
                    if not name.endswith(".key"):
                        os.remove(f"{state}/{name}")
                world.start((2,))
                wait_for("it says that nobody answers", lambda: world.get(2, "/v1/gossip")["state"] == "isolated", 60, 0.2)
                finding = world.finding(2, "gossip")
                check(finding["state"] == "bad" and "nobody has answered" in finding["cause"] and finding["mend"], f"{finding}")
                check(world.figure(2, "isolated") == 1, "its gauge tells it")
                told = world.events(2, "gossip.isolated")
                check(told and "none of the" in told[-1]["text"], f"{told}")
            world.all_alive()
            wait_for("it says that others are heard", lambda: world.get(2, "/v1/gossip")["state"] == "member", 60, 0.2)
            check(world.finding(2, "gossip")["state"] == "ok", f"{world.finding(2, 'gossip')}")
            check(world.events(2, "gossip.reconnected") and world.figure(2, "isolated") == 0, "its timeline and its gauge tell it")


class Load(Beside):
    """Hints, and one member that leaves and comes again, while the block runs."""

    def __init__(self, world, hinting, coming):
        super().__init__(pause=0.1)
        self.world, self.hinting, self.coming, self.rounds = world, hinting, coming, 0

    def round(self):
        self.rounds += 1
        number = self.hinting[self.rounds % len(self.hinting)]
        status, body = self.world.api(number, "POST", "/v1/gossip/hint", {"topic": 63, "key": 7, "version": self.rounds})
        check(status < 300, f"hint: {status} {body}")
        if self.rounds % 20 == 0:
            target, body = (("leave", {}), ("join", {"addresses": [f"{address(0)}:{PORT}"]}))[self.rounds // 20 % 2]
            status, body = self.world.api(self.coming, "POST", f"/v1/gossip/{target}", body)
            check(status < 300, f"{target}: {status} {body}")


def rotation():
    """keys change twice under hints, leaves and joins while one is down: nobody is lost, and it comes back when it is given the ring"""
    with World(6, spare=1) as world:
        world.settle()
        world.fleet.kill(5)
        running = (0, 1, 2, 3, 4)
        world.wait_told("down", [(number, "n5") for number in running])
        world.start((6,))
        world.all_alive((*running, 6))
        world.fleet.clear()

        def sealing(number):
            return world.get(number, "/v1/gossip")["ring"]["sealing"]

        with Load(world, running, 6) as load:
            for number in (*running, 6):
                world.give_ring(number, (1, 2))
            wait_for("all seal with key 2", lambda: all(sealing(number) == 2 for number in running), 90, 0.5)
            for number in (*running, 6):  # as `key remove 1`
                world.give_ring(number, (2,))
            # A leak: the next key seals at once, wherever it comes first.
            for number in (*running, 6):
                world.give_ring(number, (3, 2), use_now=True)
                check(sealing(number) == 3, "it seals at once")
            for number in (*running, 6):
                world.give_ring(number, (3,), use_now=True)
            world.stay(5, except_for=("n5",))
            rounds = load.rounds
            wait_for("the load went on", lambda: load.rounds > rounds + 5, 30)
        world.api(6, "POST", "/v1/gossip/join", {"addresses": [f"{address(0)}:{PORT}"]})
        world.all_alive((*running, 6))
        status, body = world.api(0, "POST", "/v1/gossip/hint", {"topic": 63, "key": 8, "version": 1})
        check(status < 300, f"{status} {body}")
        world.wait_told("hint", [(number, "8") for number in (*running, 6) if number != 0], 30)
        check(not [pair for pair in world.told("down") if pair[1] != "n5"], f"{world.told('down')}")

        world.start((5,))  # with key 1 alone
        wait_for("others drop what it says", lambda: world.figure(0, "dropped.key") > 0, 30, 0.2)
        check(all(world.standings(number)["n5"] == "down" for number in running), "it is not heard")
        check(world.standings(5) == {"n5": "alive"}, "and hears nobody")
        wait_for("its timeline says that it misses keys", lambda: world.events(5, "gossip.keys_missed"), 60, 0.5)
        found = world.finding(5, "gossip")
        check(found["state"] == "bad" and "jackdaw key rotate" in found["mend"], found)
        world.give_ring(5, (3,), use_now=True)
        status, body = world.api(5, "POST", "/v1/gossip/join", {"addresses": [f"{address(0)}:{PORT}"]})
        check(status < 300, f"{status} {body}")
        world.all_alive((*running, 5, 6))
        wait_for("it says that it has them", lambda: world.events(5, "gossip.keys_given"), 30, 0.5)
        check(world.finding(5, "gossip")["state"] == "ok", world.finding(5, "gossip"))


def two_keys():
    """two keys of one version, each with half of the agents: nobody seals with either, and a newer one heals it; also once both are
    in use and nobody has an older one"""
    with World(4) as world:
        world.settle()

        def ring(number):
            return world.get(number, "/v1/gossip")["ring"]

        def clash(number):
            return world.finding(number, "gossip keys")
        for number, other in ((0, None), (3, 2), (1, None), (2, 2)):  # as two operators at once
            world.give_ring(number, (1, 2), other=other)
        wait_for("each tells of it", lambda: all(clash(number)["state"] == "bad" for number in world.numbers), 60, 0.5)
        check("two keys are called 2" in clash(1)["cause"] and clash(1)["mend"] == "jackdaw key rotate", clash(1))
        world.stay(20)
        for number in world.numbers:
            check(ring(number)["sealing"] == 1, f"n{number} seals with {ring(number)}")
        world.all_alive()

        def heal(older, newest, **words):
            for number in world.numbers:
                world.give_ring(number, (*older, newest), **words)
            wait_for(f"all seal with key {newest}", lambda: all(ring(n)["sealing"] == newest for n in world.numbers), 60, 0.5)
            world.all_alive()
        heal((1,), 3)
        check(not world.told("down"), f"{world.told('down')}")
        for number in world.numbers:
            check(ring(number)["versions"] == [3, 1], ring(number))
            check(clash(number)["state"] == "ok", clash(number))

        for number in world.numbers:  # cut in two while both rotated, and a day later
            world.give_ring(number, (4,), use_now=True, other=4 if number > 1 else None)
        world.wait_told("down", [(a, f"n{b}") for a in (0, 1) for b in (2, 3)] + [(b, f"n{a}") for a in (0, 1) for b in (2, 3)])
        world.fleet.clear()
        heal((), 5, keep_own=True)
        check(not world.told("down"), f"{world.told('down')}")


if __name__ == "__main__":
    chosen = {test.__name__: test for test in (loss, small_packets, one_way, pauses, partition, isolated, one_way_out, starts_alone, rotation, two_keys,
                                              laggards)}
    main(*([chosen[name] for name in sys.argv[1:]] or chosen.values()))
