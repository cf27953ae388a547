#pragma once
// Whom a command talks to (CLI.md's contexts): the agent of this machine over its socket, or a
// fleet's agents over the channel.

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/commands/session.h"
#include "coordinator/core/fleet_view.h"
#include "coordinator/profile/op_journal.h"

namespace jackdaw::cli {

/// Of one dial, and of the answer to one small request.
inline constexpr std::chrono::milliseconds dial_limit{1000};
inline constexpr std::chrono::milliseconds answer_limit{10'000};

/// The socket of this machine's agent: admin.sock, or public.sock for a user who may not open that.
/// There everything but what the tenant wrote is told, and nothing can be changed.
[[nodiscard]] const std::string& local_socket(const Folders& folders);

class Reach {
public:
    /// --local > --fleet > JACKDAW_FLEET > default profile > settings file > the socket, if it is
    /// there. E-NO-PROFILE when there is none of them.
    [[nodiscard]] static Result<Reach> find(Session& session, const Invocation& invocation);
    /// Likewise, but only a fleet will do: for what a coordinator does.
    [[nodiscard]] static Result<Reach> find_fleet(Session& session, const Invocation& invocation);

    [[nodiscard]] bool local() const noexcept { return !profile_.has_value(); }
    [[nodiscard]] const Profile& profile() const { return *profile_; } ///< not when local()
    [[nodiscard]] OpJournal journal() const;
    /// Opened at first use.
    [[nodiscard]] Result<Cloud*> cloud();
    [[nodiscard]] Result<std::vector<cloud::Machine>> machines();
    /// By what its instance is called. E-NOT-FOUND naming the instance. Agents are asked only for
    /// a name that nothing here has: it may have been given on the machine itself.
    [[nodiscard]] Result<cloud::Machine> machine(const std::string& name);
    /// The same, from what is written down here alone, once a rename that was cut off is settled.
    /// While its agent cannot be asked, both names are that machine's.
    [[nodiscard]] Result<cloud::Machine> written_machine(const std::string& name);
    /// May an instance be called so: a new one, or that of the machine with this id (empty: none)?
    /// E-NAME-TAKEN with who has it, by what is written down here and by what the fleet's agents
    /// tell. Not when local().
    [[nodiscard]] Result<void> check_name_free(const std::string& name,
                                               const std::string& machine_id);
    /// What a rename that was cut off has come to: its agent is asked, and what is written down
    /// here follows. Nothing while another program works on it, while the agent has not ended it,
    /// or cannot be asked. `holding`: the caller has the machine's name locked.
    [[nodiscard]] Result<void> settle_label(const cloud::Machine& machine, bool holding = false);
    /// The instance of this machine is called so from now on: in the provider's record, and in the
    /// journal's if there is one.
    [[nodiscard]] Result<void> write_label(const cloud::Machine& machine, const std::string& name);

    /// Any agent; in a fleet the first one that answers.
    [[nodiscard]] Result<ClientPtr> any();
    /// To be asked about others: one that left the fleet, or fell silent beside its twin, hears
    /// of them no more and is passed over. One that hears nobody now is taken when all others
    /// that answer are such.
    [[nodiscard]] Result<ClientPtr> any_member();
    /// The agent that has this instance: E-MACHINE-DOWN at once when its machine is off,
    /// E-NOT-FOUND when this machine's agent has another.
    [[nodiscard]] Result<ClientPtr> of(const std::string& name);
    /// INSTANCE or --instance; without them the only one there is. `invalid` when there are
    /// several.
    [[nodiscard]] Result<std::string> chosen_instance(const Invocation& invocation);
    /// Is there an instance of this name here? False when nobody can tell.
    [[nodiscard]] bool has_instance(const std::string& name);
    /// The agent on this machine, whether it has an instance or not.
    [[nodiscard]] Result<ClientPtr> of_machine(const cloud::Machine& machine);

private:
    /// The first agent that answers and will do; local(): this machine's.
    [[nodiscard]] Result<ClientPtr> first(const std::function<Result<void>(ApiClient&)>& will_do);
    [[nodiscard]] Result<cloud::Machine> machine_labelled(const std::string& name);
    /// Does an agent tell of another instance of this name?
    [[nodiscard]] Result<void> check_untold(const std::string& name, const std::string& machine_id,
                                            const std::vector<cloud::Machine>& all);
    explicit Reach(Session& session) : session_{&session} {}
    Session* session_;
    std::optional<Profile> profile_;
    std::unique_ptr<Cloud> cloud_;
};

/// Of the answer to GET /v1/gossip: this agent hears no other now.
[[nodiscard]] bool hears_no_other(const Json& gossip);
/// Told behind whose view is shown, when that agent hears no other: who left or fell silent is not
/// asked.
inline constexpr std::string_view view_of_before =
    "; it hears no other now: this is what it knew before, and `jackdaw doctor` says more";

/// The instance that a command is about, and its agent.
struct InstanceAccess {
    Reach reach;
    std::string name; ///< empty: this machine's agent, which runs none (`events` alone)
    ClientPtr client;
};
/// INSTANCE, --instance or the only one there is; errors as Reach::chosen_instance() and of().
[[nodiscard]] Result<InstanceAccess> access_instance(Session& session,
                                                     const Invocation& invocation);

/// Says what an agent of an earlier version does not tell of a thing, which reads as empty:
/// untold(), whose answer it gives back.
std::vector<std::string> note_untold(Session& session, const Json& answer, const Json& whole);
/// The same of a list, by its first item.
void note_untold_in(Session& session, const Json& items, const Json& whole);

/// E-NAME-TAKEN: a rename was cut off, and which of both names the instance has is not known.
[[nodiscard]] Error rename_pending(const cloud::Machine& machine);
/// `corrupt` when what is written down of it cannot be read.
[[nodiscard]] Result<void> check_whole(const cloud::Machine& machine);
[[nodiscard]] MachineView view_of(const cloud::Machine& machine);

} // namespace jackdaw::cli
