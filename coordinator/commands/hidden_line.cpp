#include "coordinator/commands/hidden_line.h"

#include <signal.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string>
#include <system_error>

#include <fmt/format.h>

namespace jackdaw::cli {
namespace {

constexpr std::array<int, 5> watched{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

volatile sig_atomic_t caught = 0; // a handler has nothing but globals

extern "C" void jackdaw_note_signal(int signal) {
    caught = signal;
}

/// The terminal without echo, and handlers that only note: read(2) is interrupted by them.
class Quiet {
public:
    explicit Quiet(int fd) : fd_{fd} {
        quiet_ = ::tcgetattr(fd_, &before_) == 0;
        struct sigaction action{};
        action.sa_handler = jackdaw_note_signal; // without SA_RESTART
        sigemptyset(&action.sa_mask);
        for (std::size_t i = 0; i < watched.size(); ++i) {
            ::sigaction(watched[i], &action, &handlers_[i]);
        }
        termios silent = before_;
        silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHOE | ECHOK);
        silent.c_lflag |= ECHONL; // the person sees that the line has ended
        quiet_ = quiet_ && ::tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
    }
    Quiet(const Quiet&) = delete;
    Quiet& operator=(const Quiet&) = delete;
    ~Quiet() {
        if (quiet_) { // a background process may not: then its shell has restored the terminal
            ::tcsetattr(fd_, TCSAFLUSH, &before_);
        }
        for (std::size_t i = 0; i < watched.size(); ++i) {
            ::sigaction(watched[i], &handlers_[i], nullptr);
        }
    }
    [[nodiscard]] bool works() const { return quiet_; }

private:
    int fd_;
    bool quiet_ = false;
    termios before_{};
    std::array<struct sigaction, watched.size()> handlers_{};
};

/// A line, or nothing when a signal was noted.
Result<std::string> read_until_end(int fd, std::size_t bytes_max) {
    std::string line;
    line.reserve(bytes_max + 1); // no copy of a password is left behind by growth
    for (;;) {                   // ends with the line, the input, a signal or the bound
        char c = 0;
        const auto size = caught == 0 ? ::read(fd, &c, 1) : -1;
        if (size < 0 && (caught != 0 || errno == EINTR)) {
            if (caught == 0) {
                continue;
            }
            wipe(line);
            return line;
        }
        if (size < 0) {
            wipe(line);
            return Error{Errc::unavailable, "read the terminal",
                         std::error_code{errno, std::system_category()}};
        }
        if (size == 0 || c == '\n') {
            return line;
        }
        if (line.size() == bytes_max) {
            wipe(line);
            return Error{Errc::invalid, fmt::format("a line of more than {} bytes", bytes_max)};
        }
        line += c;
    }
}

} // namespace

Result<Secret> read_hidden(int fd, std::size_t bytes_max) {
    for (;;) { // again after each stop by the person
        caught = 0;
        Result<std::string> line = std::string{};
        {
            const Quiet quiet{fd};
            if (!quiet.works()) {
                return Error{Errc::unavailable, "keep the terminal from showing what is typed",
                             std::error_code{errno, std::system_category()}}
                    .with_hint("--password-file FILE takes it from a file");
            }
            line = read_until_end(fd, bytes_max);
        }
        if (caught == 0) {
            JACKDAW_TRY(auto text, std::move(line));
            return Secret{std::move(text)};
        }
        const int signal = caught;
        ::raise(signal); // what it did before: most end the process here
        if (signal != SIGTSTP) {
            return Error{Errc::cancelled, "interrupted while a password was typed"};
        }
    }
}

} // namespace jackdaw::cli
