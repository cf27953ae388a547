// Puts the test program into its private world before the first test runs (guard_sandbox.h says
// which).

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#define CATCH_CONFIG_EXTERNAL_INTERFACES // for the listener
#include <catch2/catch.hpp>

#include "proto/machine/guard_protocol.h"

namespace {

namespace fs = std::filesystem;

constexpr int exit_skipped = 4; // SKIP_RETURN_CODE in CMakeLists.txt
constexpr int exit_broken = 99;

[[noreturn]] void give_up(const char* what) {
    std::fprintf(stderr, "guard_test: cannot make the private world: %s: %s\n", what,
                 std::strerror(errno));
    _exit(exit_broken);
}

void check(int result, const char* what) {
    if (result != 0) {
        give_up(what);
    }
}

std::string cgroup2_mount() {
    std::ifstream mounts("/proc/mounts");
    std::string device;
    std::string path;
    std::string type;
    std::string rest;
    while (mounts >> device >> path >> type && std::getline(mounts, rest)) {
        if (type == "cgroup2") {
            return path;
        }
    }
    return {};
}

int wait_for(pid_t pid) {
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : exit_broken;
}

void write_pid(const std::string& group) {
    std::ofstream(group + "/cgroup.procs") << 0;
}

void mount_root(const std::string& scratch, const std::string& stage) {
    check(mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "private mounts");
    check(mount("tmpfs", scratch.c_str(), "tmpfs", 0, "mode=755"), "tmpfs");
    for (const char* folder : {"/upper", "/work", "/root"}) {
        fs::create_directory(scratch + folder);
    }
    const std::string options =
        "lowerdir=/,upperdir=" + scratch + "/upper,workdir=" + scratch + "/work";
    const std::string root = scratch + "/root";
    check(mount("overlay", root.c_str(), "overlay", 0, options.c_str()), "overlay");
    fs::create_directories(root + "/usr/lib/jackdaw");
    for (const char* program : {"/jackdaw-guard", "/jackdaw-init"}) {
        // Bound, not copied: pages of a file on a tmpfs would count as dirty.
        const std::string place = root + "/usr/lib/jackdaw" + program;
        const std::ofstream made(place);
        check(mount((stage + program).c_str(), place.c_str(), nullptr, MS_BIND, nullptr), program);
    }
    check(mount("/dev", (root + "/dev").c_str(), nullptr, MS_BIND | MS_REC, nullptr), "/dev");
    check(mount("proc", (root + "/proc").c_str(), "proc", 0, nullptr), "/proc");
    check(mount("tmpfs", (root + "/run").c_str(), "tmpfs", 0, "mode=755"), "/run");
    check(mount("tmpfs", (root + "/tmp").c_str(), "tmpfs", 0, "mode=1777"), "/tmp");
    check(chroot(root.c_str()), "chroot");
    check(chdir("/"), "chdir");
    umask(022);
    fs::create_directories(JACKDAW_GUARD_FOLDER);
    fs::create_directories("/var/log/jackdaw");
    fs::create_directories("/run/jackdaw/cgroup");
}

class World : public Catch::TestEventListenerBase {
public:
    using TestEventListenerBase::TestEventListenerBase;

    void testRunStarting(const Catch::TestRunInfo&) override {
        if (geteuid() != 0) {
            std::printf("guard_test: skipped, it needs root for its namespaces\n");
            std::fflush(stdout);
            _exit(exit_skipped);
        }
        char scratch[] = "/tmp/jackdaw-guard-test-XXXXXX";
        if (mkdtemp(scratch) == nullptr) {
            give_up("a scratch folder");
        }
        const std::string mounted = cgroup2_mount();
        const std::string group =
            mounted.empty() ? "" : mounted + "/" + fs::path(scratch).filename().string();
        if (!group.empty()) {
            fs::create_directory(group);
        } else {
            std::printf("guard_test: no cgroup2 mount here; what needs one is skipped by name\n");
        }
        const pid_t outer = fork();
        if (outer != 0) {
            const int status = wait_for(outer);
            remove_groups(group);
            fs::remove(scratch);
            _exit(status);
        }
        enter(scratch, group);
    }

private:
    static void enter(const std::string& scratch, const std::string& group) {
        if (!group.empty()) {
            write_pid(group);
        }
        const std::string stage = JACKDAW_STAGE_FOLDER;
        check(unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWCGROUP | CLONE_NEWNET | CLONE_NEWIPC),
              "namespaces");
        const pid_t first = fork();
        if (first != 0) {
            _exit(wait_for(first));
        }
        mount_root(scratch, stage);
        if (!group.empty()) {
            check(mount("none", "/run/jackdaw/cgroup", "cgroup2", 0, nullptr), "cgroup2");
        }
    }

    static void remove_groups(const std::string& group) {
        if (group.empty()) {
            return;
        }
        std::vector<fs::path> folders{group};
        for (const auto& entry : fs::recursive_directory_iterator(group)) {
            if (entry.is_directory()) {
                folders.push_back(entry.path());
            }
        }
        for (auto folder = folders.rbegin(); folder != folders.rend();
             ++folder) { // children stand after parents
            rmdir(folder->c_str());
        }
    }
};

} // namespace

CATCH_REGISTER_LISTENER(World)
