#include "coordinator/commands/stock_client.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>

#include <fmt/format.h>

#include "proto/base/unique_fd.h"

namespace jackdaw::cli {
namespace {

Error failed(const char* what) {
    return Error{Errc::unavailable, what, std::error_code{errno, std::system_category()}};
}

} // namespace

Result<int> become_client(std::vector<std::string> words, const Secret& options) {
    // In memory, so that no folder ever has it; inherited on purpose.
    const UniqueFd file{::memfd_create("jackdaw-client-options", 0)};
    if (file.get() < 0 || ::fchmod(file.get(), 0600) != 0) {
        return failed("make the client's options file");
    }
    std::string_view left = options.reveal();
    while (!left.empty()) {
        const auto size = ::write(file.get(), left.data(), left.size());
        if (size < 0 && errno != EINTR) {
            return failed("write the client's options file");
        }
        left.remove_prefix(size > 0 ? static_cast<std::size_t>(size) : 0);
    }
    std::vector<char*> arguments;
    const auto path = fmt::format("/proc/self/fd/{}", file.get());
    for (auto& word : words) {
        if (const auto at = word.find(options_file_word); at != std::string::npos) {
            word.replace(at, options_file_word.size(), path);
        }
        arguments.push_back(word.data());
    }
    arguments.push_back(nullptr);
    ::signal(SIGPIPE, SIG_DFL); // an ignored one would be inherited
    ::execvp(arguments.front(), arguments.data());
    const int reason = errno;
    ::signal(SIGPIPE, SIG_IGN);
    auto error = Error{Errc::unsupported, fmt::format("run '{}'", words.front()),
                       std::error_code{reason, std::system_category()}};
    return reason == ENOENT ? std::move(error)
                                  .with_id(Code::install_missing)
                                  .with_hint("install the client on this host, in Debian: "
                                             "`apt-get install mariadb-client`")
                            : std::move(error);
}

} // namespace jackdaw::cli
