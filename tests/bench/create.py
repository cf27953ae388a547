#!/usr/bin/env python3
"""The figures of tests/bench/README.md, measured on this host with the release build; prints the table. Asserts nothing.

Run it by `tests/run bench`, or inside `unshare --net` with JACKDAW_STAGE set. Each row names how it was taken."""
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "real", "e2e"))
from fleet import JACKDAW, STAGE, Fleet, need, wait_for  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")
RUNS = int(os.environ.get("JACKDAW_BENCH_RUNS", "7"))
WATCH_SECONDS = int(os.environ.get("JACKDAW_BENCH_SECONDS", "30"))
IMAGES = os.path.join(os.environ.get("XDG_DATA_HOME", os.path.expanduser("~/.local/share")), "jackdaw", "images")


def smaps(pid, key):
    with open(f"/proc/{pid}/smaps_rollup") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1]) / 1024
    return float("nan")


def rss(pid):
    with open(f"/proc/{pid}/status") as file:
        for line in file:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    return float("nan")


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_share(pid):
    before, began = cpu_seconds(pid), time.monotonic()
    time.sleep(WATCH_SECONDS)
    return 100 * (cpu_seconds(pid) - before) / (time.monotonic() - began)


def machine_cpu(fleet, name):
    """CPU seconds of all that runs and ran in the machine: of each living process, and of the dead ones that it reaped (the
    first process reaps what loses its parent)."""
    total = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if fleet.machine_of(pid) == name:
                with open(f"/proc/{pid}/stat") as file:
                    total += sum(map(int, file.read().rsplit(")", 1)[1].split()[11:15]))
        except OSError:
            continue  # it ended meanwhile
    return total / TICKS


def mariadb_image():
    for digest in sorted(os.listdir(IMAGES)):
        try:
            with open(os.path.join(IMAGES, digest, "image.json")) as file:
                image = json.load(file)
        except OSError:
            continue
        if image["datastore"] == "mariadb":
            return os.path.join(IMAGES, digest, "root")
    return None


def by_hand(image):
    """mkfs.xfs, mariadb-install-db and mariadbd as a person runs them, on a fresh file with a loop device: seconds until the
    server answers on its socket."""
    work = tempfile.mkdtemp(prefix="jackdaw-bench.", dir="/var/tmp")
    script = f"""
set -e
mount -t overlay overlay -o lowerdir={image},upperdir={work}/upper,workdir={work}/work {work}/root
mount -t proc proc {work}/root/proc; mount -t tmpfs tmpfs {work}/root/tmp; mount -t tmpfs tmpfs {work}/root/run
mkdir -p {work}/root/var/lib/mysql {work}/root/run/mysqld; mknod -m 666 {work}/root/dev/null c 1 3 2>/dev/null || true
mknod -m 666 {work}/root/dev/urandom c 1 9 2>/dev/null || true; mknod -m 666 {work}/root/dev/random c 1 8 2>/dev/null || true
truncate -s 1G {work}/volume
date +%s.%N
mkfs.xfs -q {work}/volume; mount -o loop {work}/volume {work}/root/var/lib/mysql
chown 47413:47413 {work}/root/var/lib/mysql {work}/root/run/mysqld
chroot {work}/root mariadb-install-db --no-defaults --user=mysql --datadir=/var/lib/mysql --cross-bootstrap --skip-test-db >/dev/null 2>&1
chroot {work}/root mariadbd --no-defaults --user=mysql --datadir=/var/lib/mysql --skip-networking --socket=/run/mysqld/s >/dev/null 2>&1 &
for i in $(seq 2000); do chroot {work}/root mariadb --no-defaults --socket=/run/mysqld/s -e 'SELECT 1' >/dev/null 2>&1 && break; done
date +%s.%N
chroot {work}/root mariadb --no-defaults --socket=/run/mysqld/s -e SHUTDOWN >/dev/null 2>&1; wait
"""
    for folder in ("upper", "work", "root"):
        os.mkdir(os.path.join(work, folder))
    try:
        out = subprocess.run(["unshare", "--mount", "--propagation", "private", "bash", "-c", script], capture_output=True,
                             text=True, timeout=120, check=True).stdout.split()
        return float(out[-1]) - float(out[0])
    finally:
        shutil.rmtree(work, ignore_errors=True)


def outside_engine(operation):
    """Seconds of steps outside the engine's own processes, from the operation's record."""
    return sum(max(0, step["duration_us"] - step["engine_us"]) for step in operation["steps"]) / 1e6


def create_rows(rows):
    image = mariadb_image()
    need(image, "there is no MariaDB image")
    whole, outside, hand, cpu = [], [], [], []
    with Fleet() as fleet:
        for run in range(RUNS + 1):
            children = os.times()
            began = time.monotonic()
            operation = fleet.create("db1", "mariadb", "1G", "--database", "app", "--user", "app").json
            seconds = time.monotonic() - began
            after = os.times()
            spent = machine_cpu(fleet, "db1") + sum(after[2:4]) - sum(children[2:4])
            fleet.run("instance", "delete", "db1", "--yes", "--wait")
            manual = by_hand(image)
            if run > 0:  # the first warms the caches
                whole.append(seconds)
                outside.append(outside_engine(operation))
                hand.append(manual)
                cpu.append(spent)
        one, one_cpu = statistics.median(whole), statistics.median(cpu)
        rows.append((f"create: step time outside the engine, median of {RUNS}", "≤ 0.3 s", f"{statistics.median(outside):.3f} s"))
        rows.append((f"create, whole command / initialise + start by hand, medians of {RUNS} paired runs", "–",
                     f"{one:.2f} s / {statistics.median(hand):.2f} s = {one / statistics.median(hand):.2f}"))
        together = []
        for run in range(6):
            began = time.monotonic()
            processes = [fleet.start("instance", "create", f"c{i}", "--datastore", "mariadb", "--volume", "1G", "--agent", STAGE,
                                     "--wait", "-o", "json") for i in range(5)]
            failed = 0
            for process in processes:
                process.communicate(timeout=120)
                failed += process.returncode != 0
            if run > 0:
                together.append(time.monotonic() - began)
            for i in range(5):
                fleet.run("instance", "delete", f"c{i}", "--yes", "--wait", ok=None)
            if failed:
                rows.append(("five creates at once: failed", "0", str(failed)))
        limit = 1.8 * max(one, 5 * one_cpu / (os.cpu_count() or 1))
        rows.append(("five creates at once, median of 5 after a warm-up", f"≤ {limit:.2f} s (1.8 × max({one:.2f}, 5 × {one_cpu:.2f} / "
                     f"{os.cpu_count()}))", f"{statistics.median(together):.2f} s"))


def agent_rows(rows):
    with tempfile.TemporaryDirectory(prefix="jackdaw-bench.", dir="/var/tmp") as folder:
        os.chmod(folder, 0o755)
        for name in ("state", "run"):
            os.mkdir(f"{folder}/{name}", 0o700)
            os.chown(f"{folder}/{name}", 47412, 47412)
        began = time.monotonic()
        agent = subprocess.Popen([f"{STAGE}/jackdawd", "--state", f"{folder}/state", "--run", f"{folder}/run", "--listen",
                                  "127.0.0.1:7412"], stderr=subprocess.DEVNULL, user=47412, group=47412, extra_groups=[])
        try:
            import socket
            def answered():
                try:
                    with socket.socket(socket.AF_UNIX) as connection:
                        connection.connect(f"{folder}/run/admin.sock")
                        connection.sendall(b"GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n")
                        return connection.recv(100)
                except OSError:
                    return None
            wait_for("the agent's socket", answered, 10, 0.001)
            rows.append(("agent without database: socket answers after exec (first start, state made)", "≤ 100 ms",
                         f"{1000 * (time.monotonic() - began):.0f} ms"))
            time.sleep(2)
            share = cpu_share(agent.pid)
            rows.append((f"agent without database: RSS, CPU over {WATCH_SECONDS} s", "≤ 16 MiB, 0.2 %",
                         f"{rss(agent.pid):.1f} MiB, {share:.2f} %"))
        finally:
            agent.terminate()
            agent.wait()


def machine_rows(rows):
    with Fleet() as fleet:
        for name in ("db1", "db2", "db3"):
            fleet.create(name, "mariadb" if name == "db1" else "fake", "1G" if name == "db1" else "320M")
        agents = fleet.processes("db1", "jackdawd")
        share = cpu_share(agents[0])
        rows.append((f"agent serving MariaDB, a probe a second: RSS, CPU over {WATCH_SECONDS} s", "≤ 32 MiB, 0.5 %",
                     f"{rss(agents[0]):.1f} MiB, {share:.2f} %"))
        guard = fleet.processes("db1", "jackdaw-guard")[0]
        hosts = fleet.processes("db1", "jackdaw-host")
        rows.append(("jackdaw-guard: Private_Dirty", "≤ 0.3 MiB", f"{smaps(guard, 'Private_Dirty'):.2f} MiB"))
        rows.append(("jackdaw-host: Private_Dirty", "≤ 1 MiB", f"{smaps(hosts[0], 'Private_Dirty'):.2f} MiB" if hosts else "?"))
        first = fleet.processes("db1", "jackdaw-init")[0]
        enter = ["nsenter", "--target", str(first), "--mount", "--net", "--pid", "--uts", "--ipc"]
        wait_for("three members", lambda: b"db3" in subprocess.run(
            [*enter, "/usr/lib/jackdaw/jackdaw", "--local", "instance", "list"], capture_output=True, check=False).stdout)

        def timed(*command):
            times = []
            for _ in range(60):
                began = time.monotonic()
                subprocess.run([*enter, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
                times.append(1000 * (time.monotonic() - began))
            return statistics.median(times)

        base = timed("/bin/true")
        listed = timed("/usr/lib/jackdaw/jackdaw", "--local", "instance", "list")
        rows.append(("`jackdaw instance list` on the socket, 3 agents, whole process, median of 60", "≤ 15 ms",
                     f"{listed - base:.1f} ms ({listed:.1f} ms with nsenter and fork; /bin/true the same way {base:.1f} ms)"))


if __name__ == "__main__":
    need(os.path.exists(JACKDAW), "JACKDAW_STAGE names no build")
    print("| what | asked | measured |\n|---|---|---|", flush=True)
    for part in (agent_rows, machine_rows, create_rows):
        table = []
        part(table)
        for row in table:
            print("| " + " | ".join(row) + " |", flush=True)
