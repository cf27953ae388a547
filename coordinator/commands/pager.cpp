#include "coordinator/commands/pager.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace jackdaw::cli {
namespace {

constexpr int shell_found_nothing = 127; // sh(1), EXIT STATUS

[[noreturn]] void become_pager(const char* command, int from) {
    // Only async-signal-safe calls between fork and exec.
    ::signal(SIGINT, SIG_DFL);
    ::signal(SIGPIPE, SIG_DFL);
    ::dup2(from, STDIN_FILENO);
    ::close(from);
    ::execl("/bin/sh", "sh", "-c", command, static_cast<char*>(nullptr));
    ::_exit(shell_found_nothing);
}

/// Until all is written, or the pager wants no more.
void feed(int to, std::string_view text) {
    while (!text.empty()) {
        const auto size = ::write(to, text.data(), text.size());
        if (size > 0) {
            text.remove_prefix(static_cast<std::size_t>(size));
        } else if (errno != EINTR) {
            return; // it was left before the end
        }
    }
}

} // namespace

bool page_through(const std::string& command, std::string_view text) {
    std::array<int, 2> pipe{};
    if (::pipe2(pipe.data(), O_CLOEXEC) != 0) {
        return false;
    }
    struct sigaction ignore{};
    struct sigaction before{};
    ignore.sa_handler = SIG_IGN; // Ctrl-C is the pager's while it runs
    ::sigaction(SIGINT, &ignore, &before);
    const auto child = ::fork();
    if (child == 0) {
        become_pager(command.c_str(), pipe[0]);
    }
    ::close(pipe[0]);
    int status = 0;
    if (child > 0) {
        feed(pipe[1], text);
    }
    ::close(pipe[1]);
    while (child > 0 && ::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    ::sigaction(SIGINT, &before, nullptr);
    return child > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == shell_found_nothing);
}

bool is_longer_than_screen(std::string_view text) {
    winsize size{};
    const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0;
    const std::size_t rows = known ? size.ws_row : 24U;
    const std::size_t columns = known && size.ws_col > 0 ? size.ws_col : 80U;
    std::size_t used = 0;
    while (!text.empty() && used < rows) { // a line less each time; bytes stand for columns
        const auto end = std::min(text.find('\n'), text.size());
        used += 1 + (end == 0 ? 0 : (end - 1) / columns);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return used >= rows;
}

} // namespace jackdaw::cli
