#include "coordinator/commands/screen.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <system_error>

namespace jackdaw::cli {
namespace {

// xterm's control sequences (ctlseqs): the alternate screen, no cursor, no wrapping of long lines.
constexpr std::string_view enter_text = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[2J";
constexpr std::string_view leave_text = "\x1b[?7h\x1b[?25h\x1b[?1049l";
constexpr int interrupted_status = 130; // CLI.md
constexpr int signal_status = 128;      // as a shell tells of a signal
constexpr std::array ending{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT, SIGSEGV, SIGBUS, SIGFPE};

// A signal handler has nothing but globals. tcsetattr(3) and write(2) may be called in one
// (signal-safety(7)).
termios before{};
termios raw{};
volatile sig_atomic_t resized = 0;

void put(std::string_view text) {
    // Nothing can be done about a terminal that is gone.
    [[maybe_unused]] const auto written = ::write(STDOUT_FILENO, text.data(), text.size());
}

void leave() {
    put(leave_text);
    (void)::tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void enter() {
    (void)::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    put(enter_text);
    resized = 1; // drawn anew
}

extern "C" void jackdaw_screen_end(int signal) {
    leave();
    if (signal == SIGINT) {
        ::_exit(interrupted_status);
    }
    ::signal(signal, SIG_DFL);
    sigset_t own;
    sigemptyset(&own);
    sigaddset(&own, signal);
    (void)::pthread_sigmask(SIG_UNBLOCK, &own, nullptr); // in here it is blocked
    ::raise(signal);
    // Still here: a first process of a namespace is not ended by its own signals
    // (pid_namespaces(7)).
    ::_exit(signal_status + signal);
}

extern "C" void jackdaw_screen_stop(int /*signal*/) {
    const int kept = errno;
    leave();
    ::raise(SIGSTOP); // goes on here after SIGCONT
    enter();
    errno = kept;
}

extern "C" void jackdaw_screen_resized(int /*signal*/) {
    resized = 1;
}

class RealScreen final : public Screen {
public:
    RealScreen() {
        for (std::size_t i = 0; i < ending.size(); ++i) {
            take(ending[i], jackdaw_screen_end, handlers_[i]);
        }
        // Who started us may have blocked them, and a blocked signal ends nothing.
        sigset_t all;
        sigemptyset(&all);
        std::ranges::for_each(ending, [&](int signal) { sigaddset(&all, signal); });
        (void)::pthread_sigmask(SIG_UNBLOCK, &all, nullptr);
        take(SIGTSTP, jackdaw_screen_stop, stop_handler_);
        take(SIGWINCH, jackdaw_screen_resized, size_handler_);
        enter();
    }
    ~RealScreen() override {
        leave();
        for (std::size_t i = 0; i < ending.size(); ++i) {
            ::sigaction(ending[i], &handlers_[i], nullptr);
        }
        ::sigaction(SIGTSTP, &stop_handler_, nullptr);
        ::sigaction(SIGWINCH, &size_handler_, nullptr);
    }
    RealScreen(const RealScreen&) = delete;
    RealScreen& operator=(const RealScreen&) = delete;

    bool draw(const std::vector<std::string>& lines) override {
        winsize size{};
        const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
        const std::size_t rows = known ? size.ws_row : 24;
        std::string text = "\x1b[H";
        for (std::size_t i = 0; i < std::min(rows, lines.size()); ++i) {
            text += (i == 0 ? "" : "\r\n") + lines[i] + "\x1b[K";
        }
        text += "\x1b[J";
        std::string_view left = text;
        while (!left.empty()) {
            const auto written = ::write(STDOUT_FILENO, left.data(), left.size());
            if (written < 0 && errno != EINTR) {
                return false;
            }
            left.remove_prefix(written < 0 ? 0 : static_cast<std::size_t>(written));
        }
        return true;
    }

    Input wait(std::chrono::milliseconds span) override {
        // A size that changes between this look and poll(2) is seen at the next wake: the picture
        // is late by one interval at most.
        pollfd in{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
        const int ready =
            resized != 0
                ? -1
                : ::poll(&in, 1,
                         static_cast<int>(std::clamp<std::int64_t>(span.count(), 0, 3'600'000)));
        if (resized != 0) {
            resized = 0;
            return {Wake::resized, 0};
        }
        if (ready <= 0) {
            return {Wake::time, 0};
        }
        std::array<char, 16> keys{};
        const auto size = ::read(STDIN_FILENO, keys.data(), keys.size());
        if (size <= 0) {
            return {size < 0 && errno == EINTR ? Wake::time : Wake::gone, 0};
        }
        const std::string_view typed{keys.data(), static_cast<std::size_t>(size)};
        if (typed == "\x1b[C" || typed == "\x1bOC") {
            return {Wake::key, '>'};
        }
        if (typed == "\x1b[D" || typed == "\x1bOD") {
            return {Wake::key, '<'};
        }
        return {Wake::key, typed.front()};
    }

private:
    static void take(int signal, void (*handler)(int), struct sigaction& kept) {
        struct sigaction action{};
        action.sa_handler = handler; // without SA_RESTART: poll(2) is to end
        sigemptyset(&action.sa_mask);
        ::sigaction(signal, &action, &kept);
    }
    std::array<struct sigaction, ending.size()> handlers_{};
    struct sigaction stop_handler_{}, size_handler_{};
};

} // namespace

Result<std::unique_ptr<Screen>> take_screen() {
    if (::tcgetattr(STDIN_FILENO, &before) != 0) {
        return Error{Errc::unavailable, "read the terminal's settings",
                     std::error_code{errno, std::system_category()}};
    }
    raw = before;
    raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    if (::tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) {
        return Error{Errc::unavailable, "set the terminal",
                     std::error_code{errno, std::system_category()}};
    }
    return std::unique_ptr<Screen>{std::make_unique<RealScreen>()};
}

} // namespace jackdaw::cli
