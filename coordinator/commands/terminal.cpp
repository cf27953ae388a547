#include "coordinator/commands/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <system_error>
#include <thread>

#include <fmt/format.h>

#include "coordinator/commands/hidden_line.h"
#include "coordinator/commands/pager.h"
#include "proto/base/ids.h"

namespace jackdaw::cli {
namespace {

// A signal handler has nothing but globals. Written in two halves: the handler reads the one that
// `note_at` names.
constexpr std::size_t note_bytes_max = 512;
std::array<std::array<char, note_bytes_max>, 2> note_text{};
std::array<std::size_t, 2> note_size{};
std::atomic<unsigned> note_at{0};

extern "C" void jackdaw_on_interrupt(int /*signal*/) {
    const auto at = note_at.load();
    // Nothing can be done about a terminal that is gone.
    [[maybe_unused]] const auto written =
        ::write(STDERR_FILENO, note_text[at].data(), note_size[at]);
    ::_exit(130);
}

/// 0, or the errno of what stopped it: a full disk, a reader that went away.
int write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto size = ::write(fd, text.data(), text.size());
        if (size >= 0) {
            text.remove_prefix(static_cast<std::size_t>(size));
        } else if (errno != EINTR) {
            return errno;
        }
    }
    return 0;
}

void fill_closed_streams() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
        if (::fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            // The lowest free number is this one, since those below it are open by now.
            (void)!::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
        }
    }
}

class RealTerminal final : public Terminal {
public:
    RealTerminal() : plain_{wants_no_colour()} {
        fill_closed_streams();
        struct sigaction action{};
        action.sa_handler = jackdaw_on_interrupt;
        sigemptyset(&action.sa_mask);
        ::sigaction(SIGINT, &action, nullptr);
        ::signal(SIGPIPE, SIG_IGN); // write() says so itself
    }
    void out(std::string_view text) override {
        if (out_failure_ == 0) { // what follows a gap would be taken for the whole
            out_failure_ = write_all(STDOUT_FILENO, text);
        }
    }
    void page(std::string_view text) override {
        const auto* const named = std::getenv("PAGER");
        const std::string pager = named != nullptr ? named : "less -FRX";
        const bool wanted = out_is_terminal() && in_is_terminal() && out_failure_ == 0 &&
                            !pager.empty() && pager != "cat" && is_longer_than_screen(text);
        if (!wanted || !page_through(pager, text)) {
            out(text);
        }
    }
    Result<std::unique_ptr<Screen>> open_screen() override { return take_screen(); }
    void err(std::string_view text) override { (void)write_all(STDERR_FILENO, text); }
    Result<void> out_arrived() const override {
        if (out_failure_ == 0) {
            return ok();
        }
        return Error{Errc::unavailable, "write standard output",
                     std::error_code{out_failure_, std::system_category()}}
            .with_id(Code::output_lost);
    }
    [[nodiscard]] bool out_was_closed() const override { return out_failure_ == EPIPE; }
    void watch_out() override {
        pollfd out{.fd = STDOUT_FILENO, .events = 0, .revents = 0};
        const bool has_left = ::poll(&out, 1, 0) == 1 && (out.revents & (POLLERR | POLLHUP)) != 0;
        if (has_left && out_failure_ == 0) {
            out_failure_ = EPIPE;
        }
    }
    [[nodiscard]] bool in_is_terminal() const override { return ::isatty(STDIN_FILENO) == 1; }
    [[nodiscard]] bool out_is_terminal() const override { return ::isatty(STDOUT_FILENO) == 1; }
    [[nodiscard]] bool err_is_terminal() const override { return ::isatty(STDERR_FILENO) == 1; }
    [[nodiscard]] bool colour_out() const override { return !plain_ && out_is_terminal(); }
    [[nodiscard]] bool colour_err() const override { return !plain_ && err_is_terminal(); }
    [[nodiscard]] unsigned columns() const override {
        winsize size{};
        return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
    }
    Result<Secret> read_line(std::size_t bytes_max) override {
        std::string line;
        line.reserve(bytes_max + 1); // no copy of a password is left behind by growth
        for (;;) {                   // ends with the line, the input or the bound
            char c = 0;
            const auto size = ::read(STDIN_FILENO, &c, 1);
            if (size < 0 && errno == EINTR) {
                continue;
            }
            if (size < 0) {
                const int failure = errno;
                wipe(line);
                const bool is_none = failure == EBADF || failure == EISDIR; // and never will be
                return Error{is_none ? Errc::invalid : Errc::unavailable,
                             failure == EBADF ? "standard input is closed" : "read standard input",
                             std::error_code{failure, std::system_category()}};
            }
            if (size == 0 || c == '\n') {
                break;
            }
            if (line.size() == bytes_max) {
                wipe(line);
                return Error{
                    Errc::invalid,
                    fmt::format("a line of more than {} bytes on standard input", bytes_max)};
            }
            line += c;
        }
        if (!line.empty() && line.back() == '\r') {
            line.pop_back();
        }
        return Secret{std::move(line)};
    }
    Result<Secret> read_hidden_line(std::size_t bytes_max) override {
        return read_hidden(STDIN_FILENO, bytes_max);
    }
    [[nodiscard]] bool in_ready() const override {
        pollfd in{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0};
        return ::poll(&in, 1, 0) == 1;
    }
    void set_interrupt_note(std::string_view note) override {
        const auto next = 1U - note_at.load();
        auto& text = note_text[next];
        const auto size = std::min(note.size(), note_bytes_max - 2);
        text[0] = '\n';
        std::copy_n(note.begin(), size, text.begin() + 1);
        text[size + 1] = '\n';
        note_size[next] = note.empty() ? 1 : size + 2;
        note_at.store(next);
    }

private:
    static bool wants_no_colour() {
        const auto* const no = std::getenv("NO_COLOR");
        const auto* const kind = std::getenv("TERM");
        return (no != nullptr && *no != '\0') ||
               (kind != nullptr && std::string_view{kind} == "dumb");
    }
    bool plain_;
    int out_failure_ = 0; ///< errno of the first write that failed
};

class RealClock final : public Clock {
public:
    [[nodiscard]] std::int64_t wall_ms() const override {
        return std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::system_clock::now().time_since_epoch())
            .count();
    }
    [[nodiscard]] std::chrono::steady_clock::time_point now() const override {
        return std::chrono::steady_clock::now();
    }
    void sleep(std::chrono::milliseconds span) override { std::this_thread::sleep_for(span); }
};

class RealEntropy final : public Entropy {
public:
    void fill(std::span<std::byte> bytes) override {
        while (!bytes.empty()) { // getrandom(2) fails for nothing but an interrupt here
            const auto size = ::getrandom(bytes.data(), bytes.size(), 0);
            if (size > 0) {
                bytes = bytes.subspan(static_cast<std::size_t>(size));
            } else if (errno != EINTR) {
                std::abort();
            }
        }
    }
};

} // namespace

std::string new_uuid(Clock& clock, Entropy& entropy) {
    std::array<std::byte, 10> random{};
    entropy.fill(random);
    return make_uuid7(clock.wall_ms(), random);
}

Secret new_password(Entropy& entropy) {
    constexpr std::string_view letters =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    constexpr std::size_t length = 24;
    std::string text;
    text.reserve(length);
    while (text.size() < length) { // 62 of 64 values are taken, so this ends
        std::array<std::byte, 32> random{};
        entropy.fill(random);
        for (const auto byte : random) {
            const auto value = static_cast<std::size_t>(byte) & 63U;
            if (value < letters.size() && text.size() < length) {
                text += letters[value];
            }
        }
    }
    return Secret{std::move(text)};
}

std::unique_ptr<Terminal> make_terminal() {
    return std::make_unique<RealTerminal>();
}
std::unique_ptr<Clock> make_clock() {
    return std::make_unique<RealClock>();
}
std::unique_ptr<Entropy> make_entropy() {
    return std::make_unique<RealEntropy>();
}

} // namespace jackdaw::cli
