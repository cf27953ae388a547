#include <arpa/inet.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <mysql.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>

#include "tests/real/datastore_contract.h"

namespace jackdaw::test {
namespace {

namespace fs = std::filesystem;
constexpr uid_t agent_uid = 47412;
constexpr uid_t database_uid = 47413;

[[noreturn]] void give_up(const std::string& what) {
    throw std::runtime_error(what + ": " + std::strerror(errno));
}

void must(bool done, const std::string& what) {
    if (!done) {
        give_up(what);
    }
}

bool is_root() {
    return ::getuid() == 0;
}

/// A free TCP port of the loopback device.
std::uint16_t free_port() {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    must(::bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0, "bind");
    must(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0, "getsockname");
    ::close(fd);
    return ntohs(address.sin_port);
}

/// Where everything of this program lies. As root a tmpfs in a mount namespace of its own, gone
/// with the program.
const std::string& scratch() {
    static const std::string folder = [] {
        std::string name = "/tmp/jackdaw-contract-XXXXXX";
        must(::mkdtemp(name.data()) != nullptr, "mkdtemp");
        must(::chmod(name.c_str(), 0755) == 0, "chmod");
        if (is_root()) {
            must(::unshare(CLONE_NEWNS) == 0, "unshare");
            must(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0,
                 "make / private");
            must(::mount("tmpfs", name.c_str(), "tmpfs", 0, "mode=0755,size=2g") == 0,
                 "mount tmpfs");
        }
        return name;
    }();
    return folder;
}

/// The staged programs where the database's user reaches them, whatever the folders above the build
/// allow. Without root that user is ourselves.
const std::string& staged_programs() {
    static const std::string folder = [] {
        if (!is_root()) {
            return std::string{JACKDAW_STAGE_FOLDER};
        }
        auto name = scratch() + "/programs";
        must(::mkdir(name.c_str(), 0755) == 0, "mkdir " + name);
        must(::mount(JACKDAW_STAGE_FOLDER, name.c_str(), nullptr, MS_BIND, nullptr) == 0,
             "bind the staged programs");
        return name;
    }();
    return folder;
}

struct RemoveScratch {
    RemoveScratch() { (void)scratch(); } // so that its name outlives this
    ~RemoveScratch() {
        std::error_code ignored;
        if (is_root()) {
            ::umount2(scratch().c_str(), MNT_DETACH);
            fs::remove(scratch(), ignored);
        } else {
            fs::remove_all(scratch(), ignored);
        }
    }
};

std::string find_image() {
    if (const char* named = std::getenv("JACKDAW_TEST_IMAGE"); named != nullptr) {
        return named;
    }
    const char* data = std::getenv("XDG_DATA_HOME");
    const char* home = std::getenv("HOME");
    const std::string base =
        data != nullptr ? data : std::string{home != nullptr ? home : ""} + "/.local/share";
    glob_t found{};
    std::string image;
    if (::glob((base + "/jackdaw/images/*/root").c_str(), 0, nullptr, &found) == 0) {
        for (std::size_t i = 0; i < found.gl_pathc && image.empty(); ++i) {
            const std::string candidate = found.gl_pathv[i];
            image = fs::exists(candidate + "/usr/sbin/mariadbd") ? candidate : "";
        }
    }
    ::globfree(&found);
    return image;
}

/// The image with a layer of our own over it, which also sees `shared` at its own path.
std::string mount_image(const std::string& image, const std::string& shared) {
    const auto base = scratch() + "/image";
    const auto root = base + "/root";
    for (const char* part : {"/upper", "/work", "/root"}) {
        fs::create_directories(base + part);
    }
    const auto options =
        "lowerdir=" + image + ",upperdir=" + base + "/upper,workdir=" + base + "/work";
    must(::mount("overlay", root.c_str(), "overlay", 0, options.c_str()) == 0, "mount overlay");
    fs::create_directories(root + shared);
    must(::mount(shared.c_str(), (root + shared).c_str(), nullptr, MS_BIND, nullptr) == 0, "bind");
    must(::mount("/dev", (root + "/dev").c_str(), nullptr, MS_BIND, nullptr) == 0, "bind /dev");
    const auto programs = root + "/usr/lib/jackdaw"; // the build's, over the image's
    fs::create_directories(programs);
    must(::mount(JACKDAW_STAGE_FOLDER, programs.c_str(), nullptr, MS_BIND, nullptr) == 0,
         "bind the staged programs");
    std::ifstream passwd{root + "/etc/passwd"};
    const std::string known{std::istreambuf_iterator<char>{passwd}, {}};
    std::ofstream more{root + "/etc/passwd", std::ios::app};
    if (known.find("\njackdawd:") == std::string::npos) {
        more << "jackdawd:x:47412:47412::/nonexistent:/usr/sbin/nologin\n";
    }
    if (known.find("\nmysql:") == std::string::npos) {
        more << "mysql:x:47413:47413::/nonexistent:/usr/sbin/nologin\n";
    }
    return root;
}

std::unique_ptr<Server> make_server(const std::string& datastore) {
    const auto folder = scratch() + "/" + datastore;
    fs::create_directories(folder);
    std::string root;
    if (datastore == "mariadb") {
        const auto image = find_image();
        if (!is_root() || image.empty()) {
            std::cerr << "skipped for mariadb: "
                      << (image.empty() ? "no image with a mariadbd (JACKDAW_TEST_IMAGE names one)"
                                        : "only root can enter an image")
                      << "\n";
            return nullptr;
        }
        root = mount_image(image, folder);
    }
    return std::make_unique<Server>(datastore, root, folder);
}

} // namespace

plugins::LoadedDriver load_staged(const std::string& datastore) {
    const std::string folder = std::string{JACKDAW_STAGE_FOLDER} + "/plugins";
    struct stat info{};
    must(::stat(folder.c_str(), &info) == 0, "stat " + folder);
    auto loaded = plugins::load_driver(folder, datastore, info.st_uid);
    if (!loaded) {
        throw std::runtime_error(loaded.error().to_string());
    }
    return *loaded;
}

Server::Server(std::string datastore, std::string root, std::string folder)
    : root_{std::move(root)} {
    driver_ = load_staged(datastore);
    store_ = driver_.make();
    place_.instance_id = "0190163d-8694-739b-aea5-966c26f8ad91";
    place_.data_folder = folder + "/data";
    place_.config_folder = folder + "/config";
    place_.run_folder = folder + "/run";
    place_.log_folder = folder + "/log-files";
    place_.bind_address = "127.0.0.1";
    if (root_.empty()) { // the host's passwd does not know jackdawd
        place_.admin_user = std::to_string(agent_uid);
    }
    place_.port = free_port();
    place_.machine = {512ULL << 20U, 2, "contract"};
    for (const auto& one :
         {place_.data_folder, place_.config_folder, place_.run_folder, place_.log_folder}) {
        fs::create_directories(one);
        if (is_root() && one != place_.config_folder) {
            must(::chown(one.c_str(), database_uid, database_uid) == 0, "chown");
        }
    }
    log_ = ::open((folder + "/log").c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
}

Server::~Server() {
    store_->release();
    if (pid_ > 0) {
        stop(SIGKILL);
    }
    ::close(log_);
}

pid_t Server::spawn(const std::vector<std::string>& argv,
                    const std::vector<std::string>& environment, const std::string& folder,
                    int output) {
    auto words = argv;
    const std::string staged = "/usr/lib/jackdaw/";
    if (root_.empty() && words[0].starts_with(staged)) { // what an installed machine has there
        words[0] = staged_programs() + "/" + words[0].substr(staged.size());
    }
    std::vector<char*> arguments;
    std::vector<char*> variables;
    for (auto& word : words) {
        arguments.push_back(word.data());
    }
    auto copy = environment;
    for (auto& variable : copy) {
        variables.push_back(variable.data());
    }
    arguments.push_back(nullptr);
    variables.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        const int null = ::open("/dev/null", O_RDONLY);
        bool fine = ::dup2(null, 0) == 0 && ::dup2(output, 1) == 1 && ::dup2(output, 2) == 2;
        if (!root_.empty()) {
            fine = fine && ::chroot(root_.c_str()) == 0;
        }
        fine = fine && ::chdir(folder.c_str()) == 0;
        if (is_root()) {
            fine = fine && ::setgroups(0, nullptr) == 0 &&
                   ::setresgid(database_uid, database_uid, database_uid) == 0 &&
                   ::setresuid(database_uid, database_uid, database_uid) == 0;
        }
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        ::umask(077);
        if (fine) {
            ::execve(arguments[0], arguments.data(), variables.data());
        }
        ::_exit(127);
    }
    must(child > 0, "fork");
    return child;
}

Ended Server::run(const plugins::Job& job) {
    std::array<int, 2> pipe{};
    must(::pipe2(pipe.data(), O_CLOEXEC) == 0, "pipe");
    const pid_t child = spawn(job.argv, job.environment, job.working_folder, pipe[1]);
    ::close(pipe[1]);
    Ended ended;
    std::array<char, 4096> buffer{};
    for (ssize_t got = 0; (got = ::read(pipe[0], buffer.data(), buffer.size())) > 0;) {
        ended.output.append(buffer.data(), static_cast<std::size_t>(got));
    }
    ::close(pipe[0]);
    int status = 0;
    must(::waitpid(child, &status, 0) == child, "waitpid");
    ended.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return ended;
}

void Server::write_config(const std::vector<plugins::RenderedFile>& files) {
    for (const auto& file : files) {
        std::ofstream{place_.config_folder + "/" + file.name, std::ios::trunc} << file.content;
    }
}

void Server::start() {
    if (fs::is_empty(place_.data_folder)) {
        const auto made = run(store_->initialise_job(place_));
        if (made.status != 0) {
            throw std::runtime_error("initialise: " + made.output);
        }
    }
    write_config(*store_->render(place_));
    const auto spec = store_->launch(place_);
    pid_ = spawn(spec.argv, spec.environment, spec.working_folder, log_);
    const AsAgent agent;
    for (int attempt = 0; attempt < 600; ++attempt) { // a minute, in tenths
        if (store_->adopt(plenty(), place_)) {
            return;
        }
        siginfo_t info{};
        if (::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
            info.si_pid == pid_) {
            break;
        }
        ::poll(nullptr, 0, 100);
    }
    std::ifstream log{fs::path{place_.data_folder}.parent_path() / "log"};
    throw std::runtime_error("no start: " + std::string{std::istreambuf_iterator<char>{log}, {}});
}

void Server::signal(int number) const {
    must(::kill(pid_, number) == 0, "kill");
    if (number == SIGSTOP) { // until all of its threads have
        siginfo_t info{};
        must(::waitid(P_PID, static_cast<id_t>(pid_), &info, WSTOPPED) == 0, "waitid");
    }
}

int Server::stop(int number) {
    signal(number);
    int status = 0;
    must(::waitpid(pid_, &status, 0) == pid_, "waitpid");
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

Server* server_of(const std::string& datastore) {
    static RemoveScratch last; // made first, so destroyed after the servers
    static std::map<std::string, std::unique_ptr<Server>> servers;
    auto found = servers.find(datastore);
    if (found == servers.end()) {
        found = servers.emplace(datastore, make_server(datastore)).first;
    }
    if (found->second && !found->second->is_running()) {
        found->second->start();
    }
    return found->second.get();
}

AsAgent::AsAgent() {
    if (is_root()) {
        must(::seteuid(agent_uid) == 0, "seteuid");
    }
}

AsAgent::~AsAgent() {
    if (is_root()) {
        (void)!::seteuid(0);
    }
}

Clients::Clients(Server& server, std::string user, std::string password)
    : server_{server}, user_{std::move(user)}, password_{std::move(password)} {}

Clients::~Clients() {
    for (void* session : sessions_) {
        ::mysql_close(static_cast<MYSQL*>(session));
    }
    for (const int socket : sockets_) {
        ::close(socket);
    }
}

bool Clients::log_in() {
    if (server_.store().name() == "mariadb") {
        auto* const session = ::mysql_init(nullptr);
        const bool in = ::mysql_real_connect(session, "127.0.0.1", user_.c_str(), password_.c_str(),
                                             nullptr, server_.place().port, nullptr, 0) != nullptr;
        if (in) {
            sessions_.push_back(session);
        } else {
            ::mysql_close(session);
        }
        return in;
    }
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(server_.place().port);
    must(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0, "connect");
    const auto line = "LOGIN " + user_ + " " + password_ + "\n";
    (void)!::send(fd, line.data(), line.size(), MSG_NOSIGNAL);
    std::array<char, 64> reply{};
    const auto got = ::recv(fd, reply.data(), reply.size(), 0);
    if (got >= 2 && reply[0] == 'O' && reply[1] == 'K') {
        sockets_.push_back(fd);
        return true;
    }
    ::close(fd);
    return false;
}

bool Clients::run(const std::string& text) {
    if (!sessions_.empty()) {
        auto* const session = static_cast<MYSQL*>(sessions_.back());
        if (::mysql_real_query(session, text.data(), text.size()) != 0) {
            return false;
        }
        MYSQL_RES* const result = ::mysql_store_result(session);
        const bool fine = ::mysql_errno(session) == 0;
        ::mysql_free_result(result);
        return fine;
    }
    const auto line = text + "\n";
    (void)!::send(sockets_.back(), line.data(), line.size(), MSG_NOSIGNAL);
    std::array<char, 4096> reply{};
    const auto got = ::recv(sockets_.back(), reply.data(), reply.size(), 0);
    return got >= 2 && reply[0] == 'O' && reply[1] == 'K';
}

bool Clients::is_alive() {
    return run(sessions_.empty() ? "COUNT" : "DO 1");
}

} // namespace jackdaw::test
