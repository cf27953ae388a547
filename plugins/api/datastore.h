#pragma once
// What a database must let the agent do. One shared object per datastore implements this
// (plugins/mariadb, plugins/fake, …); nothing above plugins/ names a datastore.
//
// A datastore is a set of *facets*. Datastore itself is required. Every other facet is optional:
// return nullptr and the agent answers `unsupported` for you, before anything is touched.
//
// Two kinds of verbs:
//   data   return a LaunchSpec, a Job or files; pure, no I/O, safe on any thread;
//   speech talk the engine's own protocol, blocking, on the agent's worker pool. The agent calls
//   the
//          speech verbs of one Datastore one at a time.
//
// Rules every implementation keeps, checked by tests/real/datastore_contract against each driver
// and the fake:
//   1. Idempotent: the agent repeats a call after a crash or a `deadline`.
//   2. Bounded: no speech outlives call.deadline by more than a second, nor call.cancelled() by
//   that; no
//      unbounded buffer.
//   3. Honest: `ok` only when the effect has been observed, not merely asked for.
//   4. Names and values reach the engine only as quoted identifiers or bound values.
//   5. No secret in an Error, a LaunchSpec, a Job or a RenderedFile.

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/api/facets.h"
#include "plugins/api/host.h"
#include "proto/base/error.h"
#include "proto/base/secret.h"
#include "proto/messages/shapes.h"

namespace jackdaw::plugins {

/// Until when a call matters, and whether somebody wants it to end earlier.
struct Call {
    std::chrono::steady_clock::time_point deadline;
    const std::atomic<bool>* cancel = nullptr; ///< may be null; outlives the call
    [[nodiscard]] bool cancelled() const noexcept { return cancel != nullptr && cancel->load(); }
};

/// A server that lives, and does not let the agent in.
enum class ShutOut : std::uint8_t {
    no,
    account, ///< it refuses the agent's account
    crowd,   ///< it has no connection left
};

/// What a probe saw. `answers` alone is health; a server at its connection limit still answers.
struct Observation {
    bool answers = false;
    std::string version;      ///< as the running server says
    std::string detail;       ///< one human line
    bool volume_full = false; ///< the engine itself says that it cannot write
    ShutOut shut_out = ShutOut::no;
    std::uint64_t sessions_ended = 0; ///< the agent's own, by somebody else, since release()
};

/// How full a server is, and whether anybody can come in over the network at all.
struct ConnectionsSeen {
    std::uint64_t now = 0, max = 0; ///< max 0: it has no such limit
    std::uint64_t refused = 0;      ///< for want of room, since the server's start
    /// Why nobody who comes over the network is let in, a line; empty: they are.
    std::string closed{};
    std::string mend{}; ///< of that: a command with INSTANCE for the name
};

/// What a server tells of the agent's way in, and of how near its limits are. Figures, no
/// judgement: that is the agent's (agent/core/concerns.h). Each part is asked for by itself: what
/// could not be looked at is nullopt and stands in `unseen`, the others count.
struct Examination {
    struct Unseen {
        std::string what; ///< "accounts that look like the agent's"
        std::string why;  ///< the cause, who stands in the way if that is to be seen; printable
        std::string mend; ///< a command with INSTANCE for the name, or a person's line; may be ""
    };
    /// What is wrong with the agent's own account, a line; empty: nothing.
    std::optional<std::string> access{std::in_place};
    /// Accounts to be taken for it: "NAME@HOST"; at most 20.
    std::optional<std::vector<std::string>> look_alikes{std::in_place};
    std::optional<ConnectionsSeen> connections{std::in_place};
    std::vector<Unseen> unseen; ///< one for each part that is nullopt
    /// Whether what repair() switches off is off, whoever did it; nullopt: there is no such thing,
    /// or it was not looked at.
    std::optional<bool> is_off{};
};

/// What a repair of the agent's account did besides, a line for people each; empty: nothing.
struct Repaired {
    std::string stopped;          ///< what was switched off in the server, and how it comes back
    std::string parameter, value; ///< that were changed for it, and what it was before
    std::string left; ///< what could still be taken for the account, and whose it is to remove
    /// With `stopped`: the account is not mended, since this went wrong behind it.
    std::optional<Error> failed{};
};
/// Told of `stopped`, `parameter` and `value` before it is done; an error keeps it from being done.
using BeforeStopping = std::function<Result<void>(const Repaired& what)>;

/// Facet: databases (schemas).
class Databases {
public:
    virtual ~Databases() = default;
    /// E-BAD-NAME, E-RESERVED-NAME, or `invalid` for an unknown charset; pure.
    [[nodiscard]] virtual Result<void> check(const proto::DatabaseSpec& spec) const = 0;
    /// Present with the same charset and collation: ok. With others: `conflict`.
    virtual Result<void> create(const Call& call, const proto::DatabaseSpec& spec) = 0;
    virtual Result<std::vector<proto::DatabaseSpec>> list(const Call& call) = 0;
    /// `not_found` when absent.
    virtual Result<void> drop(const Call& call, std::string_view name) = 0;
};

/// Facet: users. A user is {name, host}.
class Users {
public:
    virtual ~Users() = default;
    [[nodiscard]] virtual Result<void> check(const proto::UserSpec& spec) const = 0;
    /// May one that is there be asked for by that name, to be shown, changed or dropped? Also what
    /// check() would not make: somebody else did. E-BAD-NAME, E-RESERVED-NAME; pure.
    [[nodiscard]] virtual Result<void> check_named(std::string_view name,
                                                   std::string_view host) const {
        proto::UserSpec spec;
        spec.name = name;
        spec.host = host;
        return check(spec);
    }
    /// What the engine stores for this password; pure. E-BAD-PASSWORD.
    [[nodiscard]] virtual Result<std::string> make_verifier(const Secret& password) const = 0;
    /// Creates or completes: sets the verifier, grants ALL on each database named.
    virtual Result<void> create(const Call& call, const proto::UserSpec& spec) = 0;
    /// Without the datastore's own accounts and the agent's; verifiers left empty.
    virtual Result<std::vector<proto::UserSpec>> list(const Call& call) = 0;
    virtual Result<void> drop(const Call& call, std::string_view name, std::string_view host) = 0;
    virtual Result<void> set_verifier(const Call& call, std::string_view name,
                                      std::string_view host, std::string_view verifier) = 0;
};

class Datastore {
public:
    virtual ~Datastore() = default;

    [[nodiscard]] virtual std::string_view name() const noexcept = 0;
    [[nodiscard]] virtual std::uint16_t default_port() const noexcept = 0;
    [[nodiscard]] virtual std::uint64_t volume_bytes_min() const noexcept = 0;
    /// A machine with less memory is refused: the engine's own initialisation would not end there.
    [[nodiscard]] virtual std::uint64_t memory_bytes_min() const noexcept = 0;
    /// "mysql://ADDRESS:PORT/": how a client names it.
    [[nodiscard]] virtual std::string connection_uri(std::string_view address,
                                                     std::uint16_t port) const = 0;

    // ---- data ----
    /// Prints the installed version; E-INSTALL-MISSING is what the agent says if it cannot run.
    [[nodiscard]] virtual Job version_job(const Place& place) const = 0;
    /// The version in that job's output, e.g. "10.11.14"; `unsupported` if it cannot be ours.
    [[nodiscard]] virtual Result<std::string> parse_version(std::string_view output) const = 0;
    /// Fills the empty data folder. The agent wipes it first and makes it durable afterwards.
    [[nodiscard]] virtual Job initialise_job(const Place& place) const = 0;
    /// Statements that the first start needs (init file and the like) are files, too.
    [[nodiscard]] virtual Result<std::vector<RenderedFile>> render(const Place& place) const = 0;
    /// A scratch parse of the rendered files, if the engine has one.
    [[nodiscard]] virtual std::optional<Job> check_config_job(const Place& place) const = 0;
    /// E-CONFIG-REFUSED with the line, from that job's exit status and output.
    [[nodiscard]] virtual Result<void> judge_config(int exit_status,
                                                    std::string_view output) const = 0;
    [[nodiscard]] virtual LaunchSpec launch(const Place& place) const = 0;
    /// Does this line of what its programs print tell of an error? Many end with general advice,
    /// in which the error would be lost.
    [[nodiscard]] virtual bool complains(std::string_view /*line*/) const { return false; }
    /// Of what a server printed at its start: what the files of render() should have done then and
    /// did not, a printable line; empty: nothing went wrong. It runs all the same.
    [[nodiscard]] virtual std::string start_complaint(std::string_view /*output*/) const {
        return {};
    }

    // ---- speech ----
    /// Opens (or reopens) the one session that is kept. `unavailable` while the server is not up
    /// yet.
    virtual Result<void> adopt(const Call& call, const Place& place) = 0;
    /// Closes it; never fails, may be called at any time between two speech verbs.
    virtual void release() noexcept = 0;
    virtual Result<Observation> probe(const Call& call) = 0;
    /// No anonymous users, no remote administrator, no test database, the agent's own account over
    /// the local socket. Idempotent; ok when looked at and found so.
    virtual Result<void> secure(const Call& call) = 0;

    /// A few questions every few seconds; changes nothing, and no lock that a tenant holds keeps it
    /// longer than half of the call. A tenant with all rights can drop the agent's own account:
    /// what is open then goes on, the next session does not and gets `not_allowed`. An error only
    /// when there is no session. An engine without accounts of its own has nothing to tell.
    virtual Result<Examination> examine(const Call& /*call*/) { return Examination{}; }
    /// Makes the agent's own account again what the files of render() make it at a start, and
    /// removes accounts of its name at other hosts. `not_allowed` when the session has no right to
    /// that any more: then only a start helps. Idempotent; ok when looked at and found so.
    /// `again`: it was made anew a short time ago and is gone again, so whatever changes accounts
    /// by itself inside the server is switched off first, and `before` (may be empty) told of it:
    /// who is killed in between then knows.
    virtual Result<Repaired> repair(const Call& /*call*/, bool /*again*/,
                                    const BeforeStopping& /*before*/ = {}) {
        return Repaired{};
    }

    // ---- facets ----
    [[nodiscard]] virtual Databases* databases() noexcept { return nullptr; }
    [[nodiscard]] virtual Users* users() noexcept { return nullptr; }
    [[nodiscard]] virtual Grants* grants() noexcept { return nullptr; }
    [[nodiscard]] virtual Root* root() noexcept { return nullptr; }
    [[nodiscard]] virtual Sessions* sessions() noexcept { return nullptr; }
    [[nodiscard]] virtual Parameters* parameters() noexcept { return nullptr; }
    [[nodiscard]] virtual Logs* logs() noexcept { return nullptr; }
    [[nodiscard]] virtual Metrics* metrics() noexcept { return nullptr; }
};

} // namespace jackdaw::plugins

/// The one symbol that a plug-in exports: `extern "C" const JackdawDriver* jackdaw_driver()`.
struct JackdawDriver {
    /// Compiler, Boost, standard library ABI, sanitizers and the text of plugins/api, as
    /// jackdaw_abi_hash of the build (plugins/api/abi.h). Another hash is refused before anything
    /// else is read.
    const char* abi_hash;
    const char* datastore; ///< "mariadb"
    std::unique_ptr<jackdaw::plugins::Datastore> (*make)();
};
