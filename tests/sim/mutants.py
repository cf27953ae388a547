#!/usr/bin/env python3
"""Takes one rule of the membership core away at a time and shows that a test notices.

    tests/sim/mutants.py [NAME...]      needs the tree to build; works in a copy under build/mutants

Each mutant replaces one piece of text by another; a piece that is not there any more is an error, so
that this list stays true. Exit status: 0 every mutant was noticed, 1 one lived, 2 one cannot be made.
"""
import os
import pathlib
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "build" / "mutants"
CORE = "gossip/core/swim/"
TESTS = ["swim_parts_test", "swim_probing_test", "swim_view_test", "swim_core_test", "swim_silence_test",
         "swim_identity_test", "swim_hostile_test", "fleet_survivors_test", "fleet_test"]
SEEDS = "60"
SECONDS = 300

MUTANTS = {
    "incarnation-not-persisted": [(CORE + "own.cpp", "kept.incarnation_reserved + 1, boot_)", "0 + 1, boot_)")],
    "boot-not-persisted": [(CORE + "own.cpp", "std::uint64_t{kept.boot} + 1, unix_s", "std::uint64_t{1}, unix_s")],
    "sends-before-durable": [(CORE + "swim.cpp", "if (silent_ || !own_.is_durable()) {", "if (silent_) {")],
    "timers-before-input": [
        ("tests/sim/fleet_sim.cpp", "    for (const auto packet : waiting) { // input before timers",
         "    slot.swim->tick(now_);\n    drain(node, true);\n    for (const auto packet : waiting) {"),
        (CORE + "swim.cpp", "if (due != never && now - due > late_after) {", "if (due == Instant{}) {")],
    "late-tick-not-forgiven": [(CORE + "swim.cpp", "if (due != never && now - due > late_after) {",
                                "if (due == Instant{}) {")],
    "late-ticks-always-forgiven": [(CORE + "swim.cpp", "    if (!heard || lates_.take(now, late_forgiveness)) {",
                                    "    (void)heard;\n    (void)lates_.take(now, late_forgiveness);\n    if (true) {")],
    "no-doubt": [(CORE + "swim_probe.cpp", "        open_doubt(now, *entry);", "        publish_alone(now, *entry, now);")],
    "no-deaf-rule": [(CORE + "swim.cpp", "    return view_.live() > 2 && silence >= config_.deaf_after()",
                      "    return view_.live() > 99'999 && silence >= config_.deaf_after()")],
    "static-k": [(CORE + "swim_probe.cpp", "std::min<std::size_t>(confirmers_max, others - std::min(others, doubts_.size())));",
                  "others == 0 ? 0 : confirmers_max);")],
    "incarnation-not-raised": [(CORE + "view.cpp", "    entry.incarnation = claim.incarnation;\n    entry.state",
                                "    entry.incarnation = is && entry.state != Standing::alive ? claim.incarnation : entry.incarnation;\n    entry.state")],
    "refutation-not-in-ack": [(CORE + "swim_receive.cpp", "    if (accused_) { // who said it", "    if (false) { // who said it")],
    "no-refutation": [(CORE + "swim_change.cpp", "    case Verdict::refute: break;", "    case Verdict::refute: return;")],
    "no-tombstones": [(CORE + "view.cpp", "    if (graves_.empty()) {\n        return nullptr;", "    if (true) {\n        return nullptr;")],
    "period-runs-away": [(CORE + "probing.cpp", "        own_ = heard_;\n    }\n}\n\nstd::uint32_t Period::told",
                          "        own_ = heard_ + 1;\n    }\n}\n\nstd::uint32_t Period::told")],
    "sync-down-believed": [(CORE + "swim_news.cpp", "    if ((from_sync || is_surprise) && !is_new && is_live(entry->state)) {",
                            "    if (false) {")],
    "surprises-believed": [(CORE + "swim_news.cpp", "    if ((from_sync || is_surprise) && !is_new", "    if (from_sync && !is_new")],
    "surprises-not-passed-on": [(CORE + "swim_news.cpp", "            if (!from_sync) {\n                spread(", "            if (false) {\n                spread(")],
    "replays-accepted": [(CORE + "swim_receive.cpp", "    if (!sender->replay.accept(header.seq)) {",
                          "    (void)sender->replay.accept(header.seq);\n    if (false) {")],
    "unproved-boot-accepted": [(CORE + "swim_receive.cpp", "    if (proof == in.news.end() ||", "    if (proof != in.news.end() &&")],
    "unsigned-believed": [(CORE + "swim_news.cpp", "    if (!crypto_.verify(item.public_key, proto::to_sign(what, identity_.fleet, item.bytes),\n                        item.signature)) {",
                           "    if (false) {")],
    "survivors-never-judge": [(CORE + "ears.h", "const bool few = has_spell_ && heard_.size() <", "const bool few = has_spell_ && asked_ > 999'999'999 && heard_.size() <")],
    "no-soundings": [(CORE + "swim_probe.cpp", "    if (ears_.has_spell() && n > 2) {", "    if (ears_.has_spell() && n > 99'999) {")],
    "losses-always-forgiven": [(CORE + "swim.cpp", "    if (losses_.take(now, forgiveness)) {", "    (void)losses_.take(now, forgiveness);\n    if (true) {")],
    "strangers-replayed": [(CORE + "swim_receive.cpp", "        if (!strangers_.accept(now, header.sender, header.boot, header.seq)) {", "        if (false) {")],
    "isolated-tells": [(CORE + "swim_probe.cpp", "    if (!hears_nobody(now)) {\n        spread(", "    if (true) {\n        spread(")],
    "nothing-withdrawn": [(CORE + "swim_receive.cpp", "    if (hears_nobody(now)) {\n        withdraw(", "    if (false) {\n        withdraw(")],
    "doubts-never-make-room": [(CORE + "swim_probe.cpp", "if (doubt == nullptr && doubts_.drop_noted()) {", "if (false) {")],
    "accused-not-asked": [(CORE + "swim_probe.cpp", "    ask_accused(now);\n    heal", "    heal")],
    "buried-not-told": [(CORE + "swim_receive.cpp", "    if (grave != nullptr && incarnation <= grave->incarnation) {", "    if (false) {")],
    "lost-not-asked": [(CORE + "swim_probe.cpp", "    ask_lost(now);\n", "")],
    "unmet-not-asked": [(CORE + "swim_change.cpp", "    if (now < unmet_until_) {", "    if (false) {")],
    "lost-not-kept": [(CORE + "swim_change.cpp", "i < lost_.size() && has_room()", "i < lost_.size() && false")],
    "forgotten-not-asked": [(CORE + "swim_news.cpp", "            if (was_down) {", "            if (false) {")],
    "shut-out-flaps": [(CORE + "swim_sync.cpp", " && !again && !shut_out_) {", " && !again) {")],
    "left-accused": [(CORE + "states.h", "    if (is_accusation && held->state == Standing::left) {", "    if (false) {")],
    "tree-digest-not-kept": [(CORE + "view.cpp", "    tree_digests_[entry.place() >> 56U] ^= digest_on_wire(entry.digest);\n", "")],
    "digest-not-kept": [(CORE + "view.cpp", "    entry.status = std::move(status);\n    redigest(entry, is_live(entry.state));",
                         "    entry.status = std::move(status);")],
}


def run(*command, seconds=900, env=None, **more):
    env = dict(env or os.environ, CCACHE_BASEDIR=str(COPY), CCACHE_NOHASHDIR="1", CCACHE_SLOPPINESS="pch_defines,time_macros")
    return subprocess.run(command, cwd=COPY, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=seconds, **more)


def copy_tree():
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.split("\n")
    for name in filter(None, names):
        source, target = ROOT / name, COPY / name
        if not source.is_file():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            shutil.copyfile(source, target)
            shutil.copymode(source, target)
    deps = COPY / "build" / "deps"
    if not deps.exists():
        deps.parent.mkdir(exist_ok=True)
        deps.symlink_to(ROOT / "build" / "deps")
    if not (COPY / "build" / "dev" / "build.ninja").exists():
        run("cmake", "--preset", "dev", "-DJACKDAW_WERROR=OFF", check=True)


def build(seconds=900):
    made = run("ninja", "-C", "build/dev", "-j2", *TESTS, seconds=seconds)
    return None if made.returncode == 0 else made.stdout[-2000:]


def noticed_by():
    for test in TESTS:
        environment = dict(os.environ, JACKDAW_SIM_RUNS=SEEDS)
        try:
            result = run(f"build/dev/tests/{test}", "--abort", seconds=SECONDS, env=environment)
        except subprocess.TimeoutExpired:
            return f"{test} (does not end)"
        if result.returncode != 0:
            failed = [line for line in result.stdout.split("\n") if line.startswith(("core:", "fleet:", "own:", "states:"))]
            return f"{test}: {failed[0] if failed else result.stdout.strip().split(chr(10))[-1]}"
    return None


def main():
    wanted = sys.argv[1:] or list(MUTANTS)
    if unknown := [name for name in wanted if name not in MUTANTS]:
        print(__doc__, file=sys.stdout if unknown[0] in ("-h", "--help") else sys.stderr)
        if unknown[0] in ("-h", "--help"):
            return 0
        print(f"error: no mutant {', '.join(unknown)}; there are: {', '.join(MUTANTS)}", file=sys.stderr)
        return 2
    copy_tree()
    error = build(3600)  # all that the tests stand on
    if error or noticed_by():
        print("the tree itself does not build or pass", error or "")
        return 2
    lived = 0
    for name in wanted:
        originals = {}
        for file, old, new in MUTANTS[name]:
            path = COPY / file
            text = path.read_text()
            originals.setdefault(path, text)
            if old not in text:
                print(f"{name}: its text is not in {file} any more")
                return 2
            path.write_text(text.replace(old, new, 1))
        error = build()
        if error:
            print(f"{name}: does not compile\n{error}")
            return 2
        by = noticed_by()
        print(f"{name:28} {'noticed by ' + by if by else 'LIVED'}", flush=True)
        lived += by is None
        for path, text in originals.items():
            path.write_text(text)
    print(f"{len(wanted)} mutants, {lived} lived")
    return 1 if lived else 0


if __name__ == "__main__":
    sys.exit(main())
