// The program `jackdaw`: every object it has, in the order of its making. Ends in the reverse
// order.

#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "coordinator/client/connector.h"
#include "coordinator/commands/local_cloud.h"
#include "coordinator/commands/run.h"
#include "coordinator/commands/stock_client.h"

namespace {

/// This program holds the operator's key: it leaves no core file, and no other process of this user
/// reads its memory. Only the soft limit, which machines inherit: a database in one needs another
/// (agent/guard/README.md). A failure takes nothing away but this care.
void keep_memory_private() {
    (void)::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    rlimit core{};
    if (::getrlimit(RLIMIT_CORE, &core) == 0) {
        core.rlim_cur = 0;
        (void)::setrlimit(RLIMIT_CORE, &core);
    }
}

} // namespace

int main(int argc, char** argv) {
    using namespace jackdaw;
    keep_memory_private();
    const std::vector<std::string> words(argv + (argc > 0 ? 1 : 0), argv + argc);

    const cli::Variable variable = [](const char* name) -> std::optional<std::string> {
        const auto* const value = std::getenv(name);
        return value != nullptr ? std::optional<std::string>{value} : std::nullopt;
    };
    const auto folders = cli::folders_from(variable);
    const auto terminal = cli::make_terminal();
    const auto clock = cli::make_clock();
    const auto entropy = cli::make_entropy();
    const auto connector = cli::make_connector(folders);
    const auto images = cli::make_local_images(folders);
    cli::Session session{
        *terminal,
        *clock,
        *entropy,
        folders,
        variable,
        ::geteuid(),
        *connector,
        *images,
        [&folders](const std::string& provider,
                   const std::string& fleet) -> Result<std::unique_ptr<cli::Cloud>> {
            if (provider != "local") {
                return Error{Errc::unsupported,
                             fmt::format("this build has no provider '{}'", provider)}
                    .with_hint("--provider local");
            }
            return cli::make_local_cloud(folders, fleet);
        },
        cli::sign_statement,
        cli::become_client};
    return cli::run(session, words);
}
