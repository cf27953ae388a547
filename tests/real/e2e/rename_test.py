#!/usr/bin/env python3
"""Two live instances never have one name: renames that are killed anywhere, that meet each other, and creates that meet them."""
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(__file__))
from fleet import Fleet, api, check, main, seed, wait_for  # noqa: E402

POINTS_MAX = 20  # of the program's own kill points in one rename: far more than there are


def own_name(fleet, machine):
    """What its agent says that it is called."""
    def told():
        status, body = api(fleet, machine, "GET", "/v1/instance", limit=10)
        return body["name"] if status == 200 else None
    return wait_for(f"a word of {machine}", told, 20)


def check_create(fleet, machine, wanted):
    """A create of the wanted name is refused if and only if the agent in `machine` has got it."""
    made = fleet.create(wanted, "fake", "640M", ok=None)  # another spec: the same one would be no second instance
    name = own_name(fleet, machine)
    check(made.status == (6 if name == wanted else 0), f"{machine} is '{name}', create {wanted}: {made.status}\n{made.err}")
    if made.status == 0:
        fleet.run("instance", "delete", wanted, "--yes")
    return name


def killed():
    """a rename killed at each of its points gives its name to nobody else, and the next command knows what came of it"""
    random = seed()
    with Fleet() as fleet:
        fleet.create("db1")
        name, seen = "db1", set()

        def after(kill, wanted):
            nonlocal name
            now = check_create(fleet, "db1", wanted)
            check(now in (name, wanted), f"{kill}: {now}")
            check(fleet.show(now)["name"] == now, kill)
            gone = fleet.status(wanted if now == name else name)
            check(gone.status == 5, f"{kill}: {gone.out}{gone.err}")
            seen.add(now == wanted)
            name = now

        for point in range(1, POINTS_MAX + 1):
            wanted = f"a{point}"
            run = fleet.run("instance", "rename", name, wanted, env={"JACKDAW_KILL_AT": str(point)}, ok=None)
            if run.status == 0:
                check(point > 4, f"only {point - 1} points")
                name = wanted
                break
            check(run.status == -signal.SIGKILL, run.err)
            after(f"point {point}", wanted)
        else:
            check(False, "it never came to its end")
        for turn in range(6):  # anywhere between them
            wanted = f"b{turn}"
            process = fleet.start("instance", "rename", name, wanted)
            time.sleep(random.uniform(0, 0.06))
            process.kill()
            if process.wait() == 0:
                name = wanted
            else:
                after(f"turn {turn}", wanted)
        check(len(seen) == 2, f"both ends were to be seen: {seen}")


def at_once():
    """of two renames of one instance at once one is done, and so it is with creates and renames that want one name"""
    with Fleet() as fleet:
        fleet.create("db1")
        fleet.create("db2")
        names = {"db1": "db1", "db2": "db2"}

        def both(first, second):
            runs = [fleet.start(*words) for words in (first, second)]
            return [(run.communicate(timeout=60), run.returncode) for run in runs]

        for turn in range(5):
            name = names["db1"]
            ended = both(("instance", "rename", name, f"x{turn}"), ("instance", "rename", name, f"y{turn}"))
            statuses = sorted(status for _, status in ended)
            check(statuses[0] == 0 and statuses[1] in (5, 6), ended)
            names["db1"] = own_name(fleet, "db1")
            check(names["db1"] == (f"x{turn}" if ended[0][1] == 0 else f"y{turn}"), f"{names} {ended}")
            check(fleet.show(names["db1"])["name"] == names["db1"], names)
        for turn in range(5):
            ended = both(*(("instance", "rename", name, f"z{turn}") for name in names.values()))
            check(sorted(status for _, status in ended) == [0, 6], ended)
            names = {machine: own_name(fleet, machine) for machine in names}
            check(list(names.values()).count(f"z{turn}") == 1, names)
        create = ("instance", "create", "new", "--datastore", "fake", "--volume", "640M", "--agent", os.environ["JACKDAW_STAGE"],
                  "--wait")
        ended = both(create, ("instance", "rename", names["db1"], "new"))
        check(sorted(status for _, status in ended) == [0, 6], ended)
        if ended[0][1] == 0:
            fleet.run("instance", "rename", names["db1"], "old")
        ended = both(("instance", "create", "same", *create[3:]), ("instance", "create", "same", *create[3:]))
        check([status for _, status in ended] == [0, 0], ended)
        told = [one["name"] for one in fleet.run("instance", "list", "-o", "json").json["items"]]
        check(len(told) == len(set(told)) and told.count("same") == 1 and not any("~" in one for one in told), told)


if __name__ == "__main__":
    main(*(globals()[name] for name in sys.argv[1:] or ["killed", "at_once"]))
