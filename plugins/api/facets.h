#pragma once
// Optional facets of a Datastore beyond databases and users. A driver that has one returns it from
// Datastore (datastore.h); a missing one is answered with `unsupported` by the agent.
//
// All verbs with a Call are speech, the others are data: see the top of datastore.h, whose rules
// hold here, too.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "plugins/api/host.h"
#include "proto/base/error.h"
#include "proto/base/secret.h"
#include "proto/messages/datastore_shapes.h"
#include "proto/messages/health_shapes.h"

namespace jackdaw::plugins {

struct Call;

/// Facet: what users may do.
class Grants {
public:
    virtual ~Grants() = default;
    /// Privileges that this engine knows at that level, names, no level that it lacks: `invalid`
    /// (with the known ones as hint), E-BAD-NAME, E-RESERVED-NAME for a system database. Pure.
    /// Privileges that reach beyond the tenant's data (files, shutdown, the agent's account) are
    /// `not_allowed`: they come with Root alone.
    [[nodiscard]] virtual Result<void> check(const proto::Grant& grant) const = 0;
    /// May it be asked to be taken away? All that show() tells may, also what check() would not
    /// give; only the form is judged: `invalid`, E-BAD-NAME. Pure.
    [[nodiscard]] virtual Result<void> check_taken(const proto::Grant& grant) const = 0;
    /// `not_found` when there is no such user.
    virtual Result<proto::UserDetails> show(const Call& call, std::string_view name,
                                            std::string_view host) = 0;
    virtual Result<void> grant(const Call& call, std::string_view name, std::string_view host,
                               const proto::Grant& grant) = 0;
    /// What is not granted is no error.
    virtual Result<void> revoke(const Call& call, std::string_view name, std::string_view host,
                                const proto::Grant& grant) = 0;
    /// The new name and host are free (`conflict` otherwise) and allowed; repeated after it was
    /// done: ok.
    virtual Result<void> alter(const Call& call, std::string_view name, std::string_view host,
                               const proto::UserAttributes& attributes) = 0;
};

/// Facet: an all-powerful account on request. Idempotent, as everything.
class Root {
public:
    virtual ~Root() = default;
    [[nodiscard]] virtual proto::RootStatus describe(std::string_view level) const = 0; ///< pure
    virtual Result<proto::RootStatus> status(const Call& call) = 0;
    /// `level`: "standard" (all of the tenant's data and accounts, and nothing of the machine, the
    /// system schema or the server's own settings) or "superuser".
    virtual Result<void> enable(const Call& call, std::string_view level,
                                std::string_view verifier) = 0;
    virtual Result<void> disable(const Call& call) = 0; ///< its sessions end, too
};

/// Facet: who is connected.
class Sessions {
public:
    virtual ~Sessions() = default;
    /// At most 10,000, the longest first; the agent's own marked.
    virtual Result<std::vector<proto::SessionShape>> list(const Call& call) = 0;
    /// Ends the session, or only what it runs. `not_found` when there is none; `not_allowed` for
    /// the agent's own.
    virtual Result<void> kill(const Call& call, std::uint64_t id, bool query_only) = 0;
};

/// Facet: parameters, introspected from the running server: no list of ours says what exists. The
/// instance's own settings are Place::parameters; render() of the same Place puts them into the
/// files.
class Parameters {
public:
    virtual ~Parameters() = default;
    /// Sorted by name. `configured`, `source` and `pending` against `place`.
    virtual Result<std::vector<proto::Parameter>> list(const Call& call, const Place& place) = 0;
    /// Is `value` one that the server takes as it is, neither clamped nor silently disabling
    /// something? The canonical name and value. `not_found` with the nearest name as hint,
    /// `invalid` with the range or the allowed values, `not_allowed` for what is not settable.
    /// Pure: over a list() of this server.
    [[nodiscard]] virtual Result<std::pair<std::string, std::string>>
    check(const std::vector<proto::Parameter>& known, std::string_view name,
          std::string_view value) const = 0;
    /// Rules between parameters (one above another, a sum within the memory), over the whole wish
    /// `place.parameters`. `invalid`. Pure.
    [[nodiscard]] virtual Result<void> check_together(const std::vector<proto::Parameter>& known,
                                                      const Place& place) const = 0;
    /// What only the running server can tell of values that check() took, by their canonical names:
    /// whether what they name is there. `invalid`; changes nothing.
    virtual Result<void> try_out(const Call& /*call*/,
                                 const std::map<std::string, std::string>& /*values*/) {
        return ok();
    }
    /// Gives the running server the values that a start on `wanted` would give it, of those in
    /// `changed` that it takes now, and reads them back (E-CONFIG-REFUSED when it then has another
    /// one, with both). The names of those that wait for a restart.
    virtual Result<std::vector<std::string>> apply(const Call& call, const Place& wanted,
                                                   const std::vector<std::string>& changed) = 0;
};

/// A log of the engine. Either the guard's (the output of the process), or a file below
/// Place::log_folder, which the engine's user owns: jackdaw-host opens it (SECURITY.md).
struct LogFile {
    std::string name;       ///< "slow"
    std::string file;       ///< plain file name below the log folder; empty: the guard's output
    std::string enabled_by; ///< the parameter; empty: always on
    std::string on_value, off_value;
};

/// Facet: logs.
class Logs {
public:
    virtual ~Logs() = default;
    [[nodiscard]] virtual std::vector<LogFile> files() const = 0; ///< pure
    virtual Result<bool> is_enabled(const Call& call, std::string_view name) = 0;
    /// Where else the running server writes it, for people: a file that jackdaw neither reads nor
    /// bounds, a table. Empty: nowhere.
    virtual Result<std::string> elsewhere(const Call& /*call*/, std::string_view /*name*/) {
        return std::string{};
    }
    /// The file was renamed: write to a new one.
    virtual Result<void> reopen(const Call& call, std::string_view name) = 0;
};

/// Facet: metrics, under the names that the engine's usual exporter made standard.
class Metrics {
public:
    virtual ~Metrics() = default;
    /// Sorted by name; at most some 2,000 families. Also of a server at its connection limit.
    virtual Result<std::vector<proto::MetricFamily>> collect(const Call& call) = 0;
    /// Of a server that is stopped, or lets nobody in: that it is not up, under the exporter's
    /// name, for the rules that watch it. Pure.
    [[nodiscard]] virtual std::vector<proto::MetricFamily> down() const { return {}; }
    /// The few of them that a person watches, in one cheap question.
    virtual Result<proto::DatabaseLoad> load(const Call& call) = 0;
};

} // namespace jackdaw::plugins
