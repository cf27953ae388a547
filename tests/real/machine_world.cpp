#include "tests/real/machine_world.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "coordinator/cloud/local/cgroups.h"
#include "coordinator/cloud/local/doctor.h"
#include "coordinator/cloud/local/network.h"
#include "coordinator/cloud/local/run_program.h"

namespace jackdaw::test {
namespace {

namespace local = cloud::local;
using std::filesystem::path;

std::string environment(const char* name) {
    const char* value = std::getenv(name); // NOLINT(concurrency-mt-unsafe): one thread
    return value == nullptr ? "" : value;
}

bool enter_own_network() {
    if (!environment("JACKDAW_TEST_STATE").empty()) {
        return true; // a process of run_apart(): it is in there already
    }
    if (::unshare(CLONE_NEWNET) != 0) {
        return false;
    }
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    const bool up = ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    ::close(fd);
    return up;
}

path new_folder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "jackdaw-machine-test-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    return pattern;
}

std::string text_of(const path& file) {
    std::ifstream stream{file};
    return {std::istreambuf_iterator<char>{stream}, {}};
}

} // namespace

path MachineWorld::image_root() {
    const std::string data = environment("XDG_DATA_HOME");
    return (data.empty() ? path{environment("HOME")} / ".local/share" : path{data}) /
           "jackdaw/images";
}

std::string machines_impossible() {
    static const std::string reason = [] {
        if (::geteuid() != 0) {
            return std::string{"machines need root"};
        }
        if (const auto host = local::require_host(std::filesystem::temp_directory_path()); !host) {
            return host.error().to_string();
        }
        if (!local::find_image(MachineWorld::image_root(), "fake")) {
            return std::string{"there is no image: packaging/image fake --any-programs"};
        }
        return enter_own_network() ? std::string{}
                                   : std::string{"no network namespace could be made"};
    }();
    return reason;
}

local::LocalSettings told_settings() {
    return {"test", environment("JACKDAW_TEST_STATE"), MachineWorld::image_root()};
}

path told_programs() {
    return environment("JACKDAW_TEST_PROGRAMS");
}

MachineWorld::MachineWorld()
    : settings_{"test", new_folder() / "state", image_root()},
      programs_{settings_.state_root.parent_path() / "programs"},
      provider_{settings_} {
    std::filesystem::create_directories(programs_);
    std::filesystem::copy_file(JACKDAW_STAND_IN, programs_ / "jackdaw-init");
}

MachineWorld::~MachineWorld() {
    const auto names = local::names_in(settings_.state_root / "test/machines");
    for (const auto& name : names ? *names : std::vector<std::string>{}) {
        (void)provider_.delete_machine(name);
    }
    const auto volumes = provider_.volumes(); // kept ones, too: gc and destroy would refuse them
    for (const auto& volume : volumes ? *volumes : std::vector<cloud::Volume>{}) {
        (void)provider_.delete_volume(volume.id);
    }
    cloud::GcRequest all;
    all.owned = [](const cloud::Tags&, bool) { return false; };
    (void)provider_.collect_garbage(all);
    (void)provider_.destroy();
    std::error_code failure;
    std::filesystem::remove_all(settings_.state_root.parent_path(), failure);
}

cloud::MachineSpec MachineWorld::spec(const std::string& name, const std::string& volume_id) const {
    cloud::MachineSpec spec;
    spec.name = name;
    unsigned number = 0;
    for (const char letter : name) {
        number = number * 31 + static_cast<unsigned char>(letter);
    }
    spec.id = fmt::format("01900000-0000-7000-8000-{:012x}", number);
    spec.image = "fake";
    spec.volume_id = volume_id;
    spec.agent_folder = programs_;
    return spec;
}

cloud::Tags MachineWorld::tags(const std::string& step) {
    return {"test", "01900000-0000-7000-8000-000000000001", step};
}

cloud::Machine MachineWorld::make(const std::string& name) {
    const auto volume = provider_.create_volume({.name = name, .size_bytes = 320ULL << 20U},
                                                tags("volume " + name));
    INFO((volume ? "" : volume.error().to_debug_string()));
    REQUIRE(volume);
    auto machine = provider_.create_machine(spec(name, volume->id), tags("machine " + name));
    INFO((machine ? "" : machine.error().to_debug_string()));
    REQUIRE(machine);
    return std::move(*machine);
}

int MachineWorld::run_apart(const std::string& case_name, int kill_at) const {
    const std::string state = "JACKDAW_TEST_STATE=" + settings_.state_root.string();
    const std::string programs = "JACKDAW_TEST_PROGRAMS=" + programs_.string();
    const std::string kill = "JACKDAW_KILL_AT=" + std::to_string(kill_at);
    const std::string home = "HOME=" + environment("HOME");
    const std::string data = "XDG_DATA_HOME=" + image_root().parent_path().parent_path().string();
    const char* variables[] = {state.c_str(), programs.c_str(), kill.c_str(),
                               home.c_str(),  data.c_str(),     nullptr};
    const char* arguments[] = {"machine_test", case_name.c_str(), nullptr};
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::execve("/proc/self/exe", const_cast<char* const*>(arguments),
                 const_cast<char* const*>(variables));
        ::_exit(99);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::vector<std::string> MachineWorld::leftovers() const {
    const local::Layout layout{settings_.state_root, settings_.fleet};
    std::vector<std::string> left;
    auto netlink = local::Netlink::open();
    const auto links = local::list_links(*netlink);
    for (const auto& link : *links) {
        if (layout.host_of(link.name)) {
            left.push_back("link " + link.name);
        }
    }
    const auto mounts = local::find_cgroups();
    for (const path& mount : {mounts->v2, mounts->v1_cpu, mounts->v1_memory}) {
        const path group = mount / layout.cgroup();
        const auto names = local::names_in(group);
        for (const auto& name : names && !mount.empty() ? *names : std::vector<std::string>{}) {
            if (std::filesystem::is_directory(group / name)) {
                left.push_back("cgroup " + (group / name).string());
            }
        }
    }
    const auto blocks = local::names_in("/sys/block");
    for (const auto& block : *blocks) {
        const std::string file = text_of(path{"/sys/block"} / block / "loop/backing_file");
        if (file.starts_with(settings_.state_root.string())) {
            left.push_back("loop device " + block + " of " + file);
        }
    }
    if (text_of("/proc/self/mountinfo").find(settings_.state_root.string()) != std::string::npos) {
        left.emplace_back("a mount of the host");
    }
    const auto tables = local::run_program({local::find_program("nft"), "list", "ruleset"}, "",
                                           std::chrono::seconds{10});
    if (tables->output.find("jk" + layout.tag()) != std::string::npos) {
        left.push_back("rules: " + tables->output);
    }
    for (const path& folder : {layout.machines(), layout.volumes()}) {
        const auto names = local::names_in(folder);
        for (const auto& name : *names) {
            left.push_back((folder / name).string());
        }
    }
    return left;
}

bool nothing_left(const MachineWorld& world) {
    return local::wait_until(std::chrono::seconds{5}, [&] { return world.leftovers().empty(); });
}

std::string all_lines(const std::vector<std::string>& lines) {
    std::string text;
    for (const auto& line : lines) {
        text += line + "\n";
    }
    return text;
}

int inside(MachineWorld& world, const std::string& name, const std::string& script) {
    const auto status = world.provider().run_inside(name, {"/bin/sh", "-c", script});
    INFO((status ? "" : status.error().to_debug_string()));
    REQUIRE(status);
    return *status;
}

bool greets(const std::string& address, int ms) {
    sockaddr_in peer{};
    peer.sin_family = AF_INET;
    peer.sin_port = htons(7412);
    ::inet_pton(AF_INET, address.c_str(), &peer.sin_addr);
    const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds{ms};
    // Refused at first: a machine is made before its first process listens.
    for (int left = ms; left > 0;) {
        const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)::connect(fd, reinterpret_cast<const sockaddr*>(&peer), sizeof peer);
        pollfd waited{.fd = fd, .events = POLLIN, .revents = 0};
        char text[8] = {};
        const bool done = ::poll(&waited, 1, left) == 1 && ::read(fd, text, sizeof text) == 8 &&
                          std::memcmp(text, "jackdaw\n", 8) == 0;
        ::close(fd);
        if (done) {
            return true;
        }
        local::pause_for(std::chrono::milliseconds{5});
        left = static_cast<int>(
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now())
                .count());
    }
    return false;
}

} // namespace jackdaw::test
