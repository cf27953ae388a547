#include "coordinator/cloud/local/run_program.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "coordinator/cloud/local/files.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::size_t output_bytes_max = std::size_t{16} * 1024;
constexpr std::array program_folders{"/usr/sbin/", "/usr/bin/", "/sbin/", "/bin/"};

/// A file in memory with the input: the program may read it when and as slowly as it likes.
Result<UniqueFd> memory_file(std::string_view text) {
    UniqueFd fd{::memfd_create("input", MFD_CLOEXEC)};
    if (!fd || ::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
        ::lseek(fd.get(), 0, SEEK_SET) != 0) {
        return os_error("make the program's input", errno);
    }
    return fd;
}

/// Between fork and exec: system calls only, for another thread may have held any lock.
[[noreturn]] void become(char* const* argv, int input, int output, pid_t parent) {
    static constexpr std::array<const char*, 3> environment{"PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                                                            "LC_ALL=C", nullptr};
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    sigset_t none;
    sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    if (::getppid() == parent && ::dup2(input, 0) == 0 && ::dup2(output, 1) == 1 &&
        ::dup2(output, 2) == 2) {
        ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
        ::execve(argv[0], argv, const_cast<char* const*>(environment.data()));
    }
    ::_exit(127);
}

/// Reads until the end of output or of time; false for the latter. What is over the bound is read
/// and dropped.
bool collect(int fd, std::string& output, std::chrono::steady_clock::time_point end) {
    std::array<char, 4096> buffer{};
    while (true) {
        const auto left =
            std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
        if (left.count() <= 0) {
            return false;
        }
        pollfd waited{.fd = fd, .events = POLLIN, .revents = 0};
        if (::poll(&waited, 1, static_cast<int>(std::min<std::int64_t>(left.count(), 60'000))) <=
            0) {
            continue;
        }
        const ssize_t got = ::read(fd, buffer.data(), buffer.size());
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return true;
        }
        const auto room = output_bytes_max - output.size();
        output.append(buffer.data(), std::min(static_cast<std::size_t>(got), room));
    }
}

int reap(pid_t pid) {
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string last_line(std::string_view text) {
    while (text.ends_with('\n')) {
        text.remove_suffix(1);
    }
    const std::size_t end = text.rfind('\n');
    return std::string{end == std::string_view::npos ? text : text.substr(end + 1)};
}

} // namespace

std::string find_program(std::string_view name) {
    for (const char* folder : program_folders) {
        std::string path = std::string{folder}.append(name);
        if (::access(path.c_str(), X_OK) == 0) {
            return path;
        }
    }
    return {};
}

Result<ProgramEnd> run_program(const std::vector<std::string>& arguments, std::string_view input,
                               std::chrono::milliseconds time) {
    const auto end = std::chrono::steady_clock::now() + time;
    std::vector<char*> argv;
    for (const auto& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    JACKDAW_TRY(const UniqueFd given, memory_file(input));
    std::array<int, 2> ends{};
    if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
        return os_error("make a pipe", errno);
    }
    const UniqueFd read_end{ends[0]};
    UniqueFd write_end{ends[1]};
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) {
        return os_error("fork " + arguments[0], errno);
    }
    if (pid == 0) {
        become(argv.data(), given.get(), write_end.get(), parent);
    }
    write_end.reset();
    ProgramEnd result;
    const bool ended = collect(read_end.get(), result.output, end);
    if (!ended) {
        ::kill(pid, SIGKILL);
    }
    result.status = reap(pid);
    if (!ended) {
        return Error{Errc::deadline, arguments[0] + " did not end in time"};
    }
    return result;
}

Result<std::string> run_checked(const std::vector<std::string>& arguments, std::string_view input,
                                std::chrono::milliseconds time) {
    JACKDAW_TRY(auto end, run_program(arguments, input, time));
    if (end.status != 0) {
        return Error{Code::job_failed, arguments[0] + " ended with status " +
                                           std::to_string(end.status) + ": " +
                                           last_line(end.output)};
    }
    return std::move(end.output);
}

} // namespace jackdaw::cloud::local
