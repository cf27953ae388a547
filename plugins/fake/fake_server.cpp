#include "plugins/fake/fake_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <list>
#include <optional>
#include <utility>
#include <vector>

#include "plugins/fake/fake_commands.h"
#include "plugins/fake/fake_files.h"
#include "plugins/fake/fake_logs.h"
#include "plugins/fake/fake_options.h"
#include "plugins/fake/fake_settings.h"
#include "plugins/fake/fake_words.h"

namespace jackdaw::fake {
namespace {

constexpr std::size_t out_bytes_max = 16U << 20U;

struct Connection {
    int fd = -1;
    bool over_unix = false;
    Peer peer;
    std::string in, out;
    bool closing = false;
};

/// The uid of that name in /etc/passwd, or the number that it is, or -1. getpwnam() does not work
/// in a static program.
long uid_of(const std::string& name) {
    if (!name.empty() && name.find_first_not_of("0123456789") == std::string::npos) {
        return std::strtol(name.c_str(), nullptr, 10);
    }
    std::FILE* const file = std::fopen("/etc/passwd", "re");
    if (file == nullptr || name.empty()) {
        return -1;
    }
    long uid = -1;
    std::array<char, 512> line{};
    while (uid < 0 && std::fgets(line.data(), line.size(), file) != nullptr) {
        const std::string_view text{line.data()};
        if (text.starts_with(name + ":")) {
            const auto second = text.find(':', name.size() + 1);
            if (second != std::string_view::npos) {
                uid = std::strtol(line.data() + second + 1, nullptr, 10);
            }
        }
    }
    std::fclose(file);
    return uid;
}

class Server {
public:
    Server(const ServeAt& at, const Options& options)
        : at_{at}, options_{options}, log_{at.log_folder} {}

    int run() {
        if (const int status = take_folder(); status != 0) {
            return status;
        }
        if (const auto why = read_config()) {
            std::fprintf(stderr, "jackdaw-fake-db: [ERROR] %s\n", why->c_str());
            return 1;
        }
        delay(options_.start_delay_ms);
        if (options_.start_fail != 0) {
            std::fprintf(stderr, "jackdaw-fake-db: told to fail at start\n");
            return 1;
        }
        sigset_t ends{};
        sigemptyset(&ends);
        sigaddset(&ends, SIGTERM);
        sigaddset(&ends, SIGINT);
        pthread_sigmask(SIG_BLOCK, &ends, nullptr);
        std::signal(SIGPIPE, SIG_IGN);
        signals_ = ::signalfd(-1, &ends, SFD_CLOEXEC | SFD_NONBLOCK);
        if (!listen_unix() || !listen_tcp()) {
            std::perror("jackdaw-fake-db: listen");
            return 1;
        }
        std::printf("jackdaw-fake-db: ready, start %ld\n", starts_);
        std::fflush(stdout);
        loop();
        delay(options_.stop_delay_ms);
        ::unlink(at_.socket_path.c_str());
        std::printf("jackdaw-fake-db: ended\n");
        return 0;
    }

private:
    int take_folder() {
        // The lock comes first: what another one is just writing may look half-made.
        const int lock = ::open((at_.folder + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (lock < 0) {
            std::perror("jackdaw-fake-db: lock");
            return exit_half_made;
        }
        if (::flock(lock, LOCK_EX | LOCK_NB) != 0) {
            (void)write_new(at_.folder + "/started-twice",
                            "yes\n"); // for the test that looks afterwards
            std::fprintf(stderr, "jackdaw-fake-db: started twice\n");
            return exit_started_twice;
        }
        if (!is_complete(at_.folder) || !journal_.open(at_.folder + "/journal")) {
            (void)write_new(at_.folder + "/started-half-made", "yes\n");
            std::fprintf(stderr, "jackdaw-fake-db: the data folder is not complete\n");
            return exit_half_made;
        }
        starts_ = std::strtol(read_small(at_.folder + "/starts").c_str(), nullptr, 10) + 1;
        if (!replace(at_.folder, "starts", std::to_string(starts_) + "\n")) {
            std::perror("jackdaw-fake-db: count the start"); // a full volume: goes on, like MariaDB
        }
        return 0;
    }

    std::optional<std::string> read_config() {
        if (at_.config_path.empty()) {
            return std::nullopt;
        }
        const auto complaint = variables_.load(read_small(at_.config_path));
        return complaint ? complaint : variables_.start_failure();
    }

    bool listen_unix() {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (at_.socket_path.size() >= sizeof address.sun_path) {
            return false;
        }
        std::memcpy(address.sun_path, at_.socket_path.c_str(), at_.socket_path.size() + 1);
        ::unlink(at_.socket_path.c_str()); // a dead one's: we hold the lock
        unix_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        return ::bind(unix_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
               ::chmod(at_.socket_path.c_str(), 0666) == 0 && ::listen(unix_, 16) == 0;
    }

    bool listen_tcp() {
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(at_.port);
        if (::inet_pton(AF_INET, at_.bind_address.c_str(), &address.sin_addr) != 1) {
            return false;
        }
        tcp_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        const int on = 1;
        ::setsockopt(tcp_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
        return ::bind(tcp_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
               ::listen(tcp_, 64) == 0;
    }

    void loop() {
        for (;;) { // until SIGTERM: it is a service
            std::vector<pollfd> polled{
                {signals_, POLLIN, 0}, {unix_, POLLIN, 0}, {tcp_, POLLIN, 0}};
            for (const auto& connection : connections_) {
                // One that waits is not read from, but its end is seen (POLLHUP).
                const auto wanted = !connection.out.empty() ? POLLOUT
                                    : connection.peer.wakes ? POLLRDHUP
                                                            : POLLIN;
                polled.push_back({connection.fd, static_cast<short>(wanted), 0});
            }
            if (::poll(polled.data(), polled.size(), until_next_wake_ms()) < 0) {
                continue; // EINTR
            }
            if (polled[0].revents != 0 && !ignore_signal()) {
                return;
            }
            std::size_t at = 3;
            for (auto& connection : connections_) {
                if (polled[at++].revents != 0) {
                    attend(connection);
                }
            }
            for (auto& connection : connections_) {
                end_wait(connection);
                connection.closing = connection.closing || connection.peer.ended;
            }
            connections_.remove_if([](const Connection& connection) {
                const bool over =
                    connection.closing && (connection.out.empty() || connection.peer.ended);
                if (over) {
                    ::close(connection.fd);
                }
                return over;
            });
            if (polled[1].revents != 0) {
                accept_from(unix_, true);
            }
            if (polled[2].revents != 0) {
                accept_from(tcp_, false);
            }
        }
    }

    int until_next_wake_ms() const {
        long ms = -1;
        for (const auto& connection : connections_) {
            if (connection.peer.wakes) {
                const auto left = std::chrono::ceil<std::chrono::milliseconds>(
                    std::max(*connection.peer.wakes, Clock::now()) - Clock::now());
                ms = ms < 0 ? left.count() : std::min<long>(ms, left.count());
            }
        }
        return static_cast<int>(ms);
    }

    void end_wait(Connection& connection) {
        auto& peer = connection.peer;
        if (peer.wakes && *peer.wakes <= Clock::now()) {
            connection.out += end_of_wait(peer, *peer.wakes != Clock::time_point::min());
            take_lines(connection); // what came behind it
            flush(connection);
        }
    }

    void take_lines(Connection& connection) {
        for (auto end = connection.in.find('\n');
             end != std::string::npos && !connection.peer.wakes; end = connection.in.find('\n')) {
            const auto line = std::string_view{connection.in}.substr(0, end);
            log_.note(line);
            auto reply =
                line == "CROWD" ? std::optional{crowd_line()} : log_.answer(connection.peer, line);
            if (!reply) {
                reply = answer_settings(variables_, connection.peer.local, line);
            }
            connection.out += reply ? std::move(*reply)
                                    : answer(journal_, starts_, connection.peer, crowd(), line);
            connection.in.erase(0, end + 1);
        }
    }

    /// "OK NOW MAX" of the TCP connections.
    std::string crowd_line() const {
        return options_.examine_fail != 0 ? "ERR locked\n"
                                          : "OK " + std::to_string(count(false)) + " " +
                                                std::to_string(tcp_connections_max) + "\n";
    }

    Crowd crowd() {
        Crowd all;
        for (auto& connection : connections_) {
            all.push_back(&connection.peer);
        }
        return all;
    }

    bool ignore_signal() {
        signalfd_siginfo info{};
        (void)!::read(signals_, &info, sizeof info);
        return options_.ignore_term != 0;
    }

    int count(bool over_unix) const {
        int number = 0;
        for (const auto& connection : connections_) {
            number += connection.over_unix == over_unix ? 1 : 0;
        }
        return number;
    }

    void accept_from(int listener, bool over_unix) {
        sockaddr_in address{};
        socklen_t size = sizeof address;
        const int fd =
            ::accept4(listener, over_unix ? nullptr : reinterpret_cast<sockaddr*>(&address),
                      over_unix ? nullptr : &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        Connection connection;
        connection.fd = fd;
        connection.peer.id = ++last_id_;
        connection.over_unix = over_unix;
        if (over_unix) {
            ucred who{};
            socklen_t length = sizeof who;
            (void)::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &length);
            const auto uid = static_cast<long>(who.uid);
            connection.peer.local =
                uid == 0 || who.uid == ::geteuid() || uid == uid_of(at_.admin_user);
        } else {
            std::array<char, INET_ADDRSTRLEN> text{};
            ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
            connection.peer.address = text.data();
        }
        if (count(over_unix) >= (over_unix ? local_connections_max : tcp_connections_max)) {
            constexpr std::string_view limit = "ERR limit\n";
            (void)!::write(fd, limit.data(), limit.size());
            ::close(fd);
            return;
        }
        connections_.push_back(std::move(connection));
    }

    void attend(Connection& connection) {
        if (!connection.out.empty()) {
            flush(connection);
            return;
        }
        if (connection.peer.wakes) { // only its end brings us here
            connection.closing = true;
            connection.peer.wakes.reset();
            return;
        }
        std::array<char, 16384> buffer{};
        const auto got = ::read(connection.fd, buffer.data(), buffer.size());
        if (got <= 0) {
            connection.closing = got == 0 || errno != EAGAIN;
            return;
        }
        connection.in.append(buffer.data(), static_cast<std::size_t>(got));
        take_lines(connection);
        if (connection.in.size() > line_bytes_max || connection.out.size() > out_bytes_max) {
            connection.out.clear();
            connection.closing = true;
            return;
        }
        flush(connection);
    }

    static void flush(Connection& connection) {
        if (connection.out.empty()) {
            return;
        }
        const auto sent = ::write(connection.fd, connection.out.data(), connection.out.size());
        if (sent > 0) {
            connection.out.erase(0, static_cast<std::size_t>(sent));
        } else if (errno != EAGAIN) {
            connection.out.clear();
            connection.closing = true;
        }
    }

    const ServeAt& at_;
    const Options& options_;
    Journal journal_;
    GeneralLog log_;
    Variables variables_;
    std::list<Connection> connections_;
    long starts_ = 0;
    std::uint64_t last_id_ = 0;
    int signals_ = -1, unix_ = -1, tcp_ = -1;
};

} // namespace

int serve(const ServeAt& at, const Options& options) {
    return Server{at, options}.run();
}

} // namespace jackdaw::fake
