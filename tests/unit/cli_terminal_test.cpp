// The real terminal, on a pseudo-terminal: what is typed is not shown, the terminal comes back
// whatever happens, and long texts go through the pager.

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <string>

#include <catch2/catch.hpp>

#include "coordinator/commands/stock_client.h"
#include "coordinator/commands/terminal.h"
#include "proto/base/unique_fd.h"

using namespace jackdaw;
using namespace jackdaw::cli;

namespace {

constexpr int patience_ms = 20'000; // against a hang, not a figure

/// A child on a terminal of its own, which runs `body` and exits with what it returns.
class OnTerminal {
public:
    explicit OnTerminal(int (*body)()) {
        winsize size{.ws_row = 10, .ws_col = 80, .ws_xpixel = 0, .ws_ypixel = 0};
        int master = -1;
        child_ = ::forkpty(&master, nullptr, nullptr, &size);
        if (child_ == 0) {
            ::alarm(60);
            ::_exit(body());
        }
        master_.reset(master);
    }
    OnTerminal(const OnTerminal&) = delete;
    OnTerminal& operator=(const OnTerminal&) = delete;
    ~OnTerminal() {
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
    }
    void type(std::string_view text) {
        REQUIRE(::write(master_.get(), text.data(), text.size()) ==
                static_cast<ssize_t>(text.size()));
    }
    void signal(int which) { ::kill(child_, which); }
    /// Reads until this has been shown, or the other end is gone.
    bool shows(std::string_view text) {
        while (shown.find(text) == std::string::npos) {
            pollfd ready{.fd = master_.get(), .events = POLLIN, .revents = 0};
            std::array<char, 4096> bytes{};
            if (::poll(&ready, 1, patience_ms) != 1) {
                return false;
            }
            const auto size = ::read(master_.get(), bytes.data(), bytes.size());
            if (size <= 0) {
                return shown.find(text) != std::string::npos;
            }
            shown.append(bytes.data(), static_cast<std::size_t>(size));
        }
        return true;
    }
    bool echoes() {
        termios now{};
        REQUIRE(::tcgetattr(master_.get(), &now) == 0);
        return (now.c_lflag & ECHO) != 0;
    }
    bool stops() {
        int status = 0;
        return ::waitpid(child_, &status, WUNTRACED) == child_ && WIFSTOPPED(status);
    }
    int end() {
        (void)shows("\x01 never shown");
        int status = 0;
        ::waitpid(child_, &status, 0);
        child_ = -1;
        return status;
    }
    std::string shown;

private:
    UniqueFd master_;
    pid_t child_ = -1;
};

int ask() {
    const auto terminal = make_terminal();
    terminal->err("password: ");
    const auto line = terminal->read_hidden_line(64);
    terminal->out(line ? "got " + std::to_string(line->reveal().size()) + "\n" : "failed\n");
    return line ? 0 : 1;
}

int live() {
    const auto terminal = make_terminal();
    const auto screen = terminal->open_screen();
    if (!screen) {
        return 1;
    }
    for (int i = 0; i < 1000; ++i) { // ended by the test
        (*screen)->draw({"picture", "second line"});
        const auto input = (*screen)->wait(std::chrono::milliseconds{100});
        if (input.wake == Screen::Wake::gone || input.key == 'q') {
            return 7;
        }
        if (input.wake == Screen::Wake::key) {
            (*screen)->draw({std::string{"key "} + input.key});
        }
    }
    return 2;
}

constexpr const char* left_screen = "\x1b[?7h\x1b[?25h\x1b[?1049l";

int page_ten() {
    ::setenv("PAGER", "sed 's/^/paged /'", 1);
    const auto terminal = make_terminal();
    terminal->page("short\n");
    std::string text;
    for (int i = 0; i < 30; ++i) {
        text += "line " + std::to_string(i) + "\n";
    }
    terminal->page(text);
    ::setenv("PAGER", "/nonexistent/pager", 1);
    terminal->page("last\n" + text);
    ::setenv("PAGER", "true", 1); // leaves before the end
    terminal->page(std::string(1U << 20U, '\n'));
    return terminal->out_arrived() ? 0 : 1;
}

int client() {
    const Secret options{std::string{"[client]\npassword=\"pass\"\n"}};
    const auto ended = become_client(
        {"sh", "-c", "f={options}; stat -L -c 'mode %a links %h' $f; cat $f; exit 3"}, options);
    return ended ? 0 : 1; // not reached
}

/// Writes into a pipe whose reader leaves before there is anything to write.
int to_nobody() {
    std::array<int, 2> ends{-1, -1};
    if (::pipe(ends.data()) != 0 || ::dup2(ends[1], STDOUT_FILENO) != STDOUT_FILENO) {
        return 1;
    }
    ::close(ends[1]);
    const auto terminal = make_terminal();
    terminal->watch_out();
    if (!terminal->out_arrived()) {
        return 2;
    }
    ::close(ends[0]);
    terminal->watch_out();
    return !terminal->out_arrived() && terminal->out_was_closed() ? 0 : 3;
}

int no_input() {
    ::close(STDIN_FILENO);
    const auto terminal = make_terminal();
    const auto line = terminal->read_line(64);
    return !line && line.error().code() == Errc::invalid ? 0 : 1;
}

int no_client() {
    const auto ended = become_client({"no-such-client"}, Secret{std::string{"x"}});
    return !ended && ended.error().id() == Code::install_missing ? 0 : 1;
}

} // namespace

TEST_CASE("the stock client gets its options in a file 0600 that no folder has") {
    OnTerminal person{client};
    CHECK(WEXITSTATUS(person.end()) == 3);
    CHECK(person.shown.find("mode 600 links 0\r\n") != std::string::npos);
    CHECK(person.shown.find("password=\"pass\"") != std::string::npos);
    OnTerminal nobody{no_client};
    CHECK(WEXITSTATUS(nobody.end()) == 0);
}

TEST_CASE("a reader that left is noticed without writing, and a closed input is the caller's") {
    OnTerminal writer{to_nobody};
    CHECK(WEXITSTATUS(writer.end()) == 0);
    OnTerminal reader{no_input};
    CHECK(WEXITSTATUS(reader.end()) == 0);
}

TEST_CASE("what is typed is not shown, and the echo comes back") {
    OnTerminal person{ask};
    REQUIRE(person.shows("password: "));
    for (int i = 0; person.echoes() && i < 2000; ++i) {
        ::usleep(1000);
    }
    CHECK_FALSE(person.echoes());
    person.type("hidden\n");
    REQUIRE(person.shows("got 6"));
    CHECK(WEXITSTATUS(person.end()) == 0);
    CHECK(person.shown.find("hidden") == std::string::npos);
}

TEST_CASE("a signal ends the program as ever, with the terminal as it was") {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
        INFO(signal);
        // The terminal outlives the child that is asked: a parent keeps it open.
        OnTerminal person{[]() -> int {
            const auto child = ::fork();
            if (child == 0) {
                (void)::setpgid(0, 0);
                ::signal(SIGTTOU, SIG_IGN);
                ::tcsetpgrp(STDIN_FILENO, ::getpid());
                ::signal(SIGTTOU, SIG_DFL);
                ::_exit(ask());
            }
            ::dprintf(STDOUT_FILENO, "child %d.", child);
            int status = 0;
            ::waitpid(child, &status, 0);
            termios now{};
            ::tcgetattr(STDIN_FILENO, &now);
            ::signal(SIGTTOU, SIG_IGN);
            ::dprintf(STDOUT_FILENO, "status %d echo %d.", status, (now.c_lflag & ECHO) != 0);
            return 0;
        }};
        REQUIRE(person.shows("."));
        const auto child = std::atoi(person.shown.c_str() + person.shown.find("child ") + 6);
        REQUIRE(child > 1);
        REQUIRE(person.shows("password: "));
        for (int i = 0; person.echoes() && i < 2000; ++i) {
            ::usleep(1000);
        }
        REQUIRE_FALSE(person.echoes());
        ::kill(child, signal);
        REQUIRE(person.shows("echo "));
        (void)person.shows("echo 1.");
        CHECK(person.shown.find("echo 1.") != std::string::npos);
        const auto ended = signal == SIGINT ? 130 << 8 : signal; // an interrupt has its own line
        const auto at = person.shown.find("status ");
        CHECK((std::atoi(person.shown.c_str() + at + 7) & 0xff7f) == ended);
    }
}

TEST_CASE("a long text goes through PAGER, a short one and one without a pager does not") {
    OnTerminal person{page_ten};
    CHECK(WEXITSTATUS(person.end()) == 0);
    CHECK(person.shown.find("paged short") == std::string::npos);
    CHECK(person.shown.find("short\r\n") != std::string::npos);
    CHECK(person.shown.find("paged line 29\r\n") != std::string::npos);
    CHECK(person.shown.find("\nlast\r\nline 0\r\n") != std::string::npos);
}

namespace {
/// The screen is left first, then the terminal's settings come back: a moment between the two.
bool echoes_again(OnTerminal& view) {
    for (int i = 0; !view.echoes() && i < 2000; ++i) {
        ::usleep(1000);
    }
    return view.echoes();
}
} // namespace

TEST_CASE("a live view shows what is drawn, tells keys, and gives the terminal back at its end") {
    OnTerminal view{live};
    REQUIRE(view.shows("second line"));
    CHECK(view.shown.find("\x1b[?1049h") != std::string::npos);
    CHECK_FALSE(view.echoes());
    view.type("x");
    CHECK(view.shows("key x"));
    view.type("\x1b[C");
    CHECK(view.shows("key >"));
    view.type("q");
    CHECK(view.shows(left_screen));
    CHECK(echoes_again(view));
    CHECK(WEXITSTATUS(view.end()) == 7);
}

TEST_CASE("a signal that ends a live view restores the terminal first") {
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGABRT}) {
        INFO(signal);
        OnTerminal view{live};
        REQUIRE(view.shows("second line"));
        view.signal(signal);
        CHECK(view.shows(left_screen));
        CHECK(echoes_again(view));
        const int status = view.end();
        if (signal == SIGINT) {
            CHECK(WEXITSTATUS(status) == 130);
        } else {
            CHECK(WIFSIGNALED(status));
            CHECK(WTERMSIG(status) == signal);
        }
    }
}

TEST_CASE("a live view ends although who started it had blocked the signal") {
    OnTerminal view{[]() -> int {
        sigset_t quit;
        sigemptyset(&quit);
        sigaddset(&quit, SIGQUIT);
        ::sigprocmask(SIG_BLOCK, &quit, nullptr);
        return live();
    }};
    REQUIRE(view.shows("second line"));
    view.signal(SIGQUIT);
    CHECK(view.shows(left_screen));
    CHECK(echoes_again(view));
    CHECK(WTERMSIG(view.end()) == SIGQUIT);
}

TEST_CASE("a live view that is stopped gives the terminal back, and takes it again") {
    OnTerminal view{live};
    REQUIRE(view.shows("second line"));
    view.signal(SIGTSTP);
    REQUIRE(view.shows(left_screen));
    CHECK(view.stops());
    CHECK(echoes_again(view));
    view.shown.clear();
    view.signal(SIGCONT);
    REQUIRE(view.shows("second line"));
    CHECK_FALSE(view.echoes());
    view.type("q");
    CHECK(WEXITSTATUS(view.end()) == 7);
}
