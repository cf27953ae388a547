#pragma once
// How processes come to be: orders to the machine's first process, from a closed list of programs.
// Part of jackdaw-host, which runs nothing itself.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/guard/guard_link.h"
#include "agent/host/host.h"
#include "proto/base/error.h"
#include "proto/base/unique_fd.h"
#include "proto/machine/init_protocol.h"

namespace jackdaw::agent::host {

/// The list beside a plug-in: "database /path" and "job NAME /path", one a line; '#' starts a
/// comment.
class ProgramList {
public:
    /// `invalid` names the line.
    [[nodiscard]] static Result<ProgramList> parse(std::string_view text);
    [[nodiscard]] bool allows_database(std::string_view program) const;
    [[nodiscard]] bool allows_job(std::string_view name, std::string_view program) const;

private:
    struct Line {
        std::string job; ///< empty: the database
        std::string program;
    };
    std::vector<Line> lines_;
};

/// A job may run beside the database: where memory ends, the kernel kills the job, or what it has
/// started, whichever of the two is larger.
inline constexpr std::int32_t job_oom_score_adj = 1000;

/// Strings, limits and stop steps; whoever asks decides nothing else, and of a job (`kind`) not the
/// OOM score either.
void take_over(jackdaw_spawn_request& request, const jackdaw_spawn_request& wanted);

/// An order of that kind, all else empty but a job's OOM score.
[[nodiscard]] jackdaw_spawn_request new_request(std::uint32_t kind);

class Spawner {
public:
    explicit Spawner(const MachineFile& machine) : machine_{&machine} {}

    /// A job as root from the host's own list (mkfs, growth, nft).
    [[nodiscard]] Result<UniqueFd> tool(const std::string& guard,
                                        const std::vector<std::string>& argv);
    /// Takes strings, limits and stop steps from `wanted`; the rest is decided here.
    [[nodiscard]] Result<UniqueFd> database(const std::string& datastore,
                                            const jackdaw_spawn_request& wanted);
    [[nodiscard]] Result<UniqueFd> job(const std::string& guard, const std::string& datastore,
                                       const std::string& name,
                                       const jackdaw_spawn_request& wanted);

    /// nullopt when no guard of that name lives and nothing of it is left. Waits for one that is
    /// just coming up or, after its release, going, and for what a dead one left; `busy` when that
    /// takes too long.
    [[nodiscard]] Result<std::optional<UniqueFd>> connect(const std::string& guard);
    [[nodiscard]] Result<std::vector<std::string>> list();
    /// Its phase, or nullopt when there is no such guard; waits as connect() does.
    [[nodiscard]] Result<std::optional<GuardPhase>> phase_of(const std::string& guard);

    /// Runs one of the host's own tools to its end, within the limit: its output, or E-JOB-FAILED.
    [[nodiscard]] Result<std::string> run(const std::string& guard,
                                          const std::vector<std::string>& argv,
                                          std::chrono::milliseconds limit);

private:
    Result<UniqueFd> send(jackdaw_spawn_request& request);
    Result<ProgramList> programs(const std::string& datastore) const;
    Result<UniqueFd> as_database_user(jackdaw_spawn_request& request,
                                      const jackdaw_spawn_request& wanted);

    const MachineFile* machine_;
    std::uint32_t sequence_ = 0;
};

} // namespace jackdaw::agent::host
