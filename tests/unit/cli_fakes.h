#pragma once
// A world for commands: a terminal that remembers, a clock that only sleeping moves, a provider and
// agents in memory. A provider's or an agent's call may be made the last one of the process: see
// World::kill_at.

#include <cstdint>
#include <deque>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "coordinator/commands/run.h"
#include "coordinator/commands/session.h"
#include "proto/base/ids.h"
#include "proto/wire/datastore_json.h"
#include "proto/wire/health_json.h"

namespace jackdaw::cli::fakes {

/// Thrown where a kill -9 would end the coordinator.
struct Killed {};

class FakeTerminal final : public Terminal {
public:
    void out(std::string_view text) override {
        if (!broken) {
            stdout_text += text;
        }
    }
    Result<void> out_arrived() const override {
        return broken ? Result<void>{Error{Code::output_lost, "write standard output"}} : ok();
    }
    [[nodiscard]] bool out_was_closed() const override { return broken && closed; }
    Result<std::unique_ptr<Screen>> open_screen() override {
        class FakeScreen final : public Screen {
        public:
            explicit FakeScreen(FakeTerminal& terminal) : terminal_{terminal} {}
            bool draw(const std::vector<std::string>& lines) override {
                terminal_.frames.push_back(lines);
                return terminal_.frames.size() < 100; // nobody looks for ever
            }
            Input wait(std::chrono::milliseconds span) override {
                terminal_.spans.push_back(span);
                if (terminal_.keys.empty()) {
                    return {Wake::time, 0};
                }
                const auto next = terminal_.keys.front();
                terminal_.keys.pop_front();
                return next;
            }

        private:
            FakeTerminal& terminal_;
        };
        return std::unique_ptr<Screen>{std::make_unique<FakeScreen>(*this)};
    }
    void err(std::string_view text) override { stderr_text += text; }
    [[nodiscard]] bool in_is_terminal() const override { return interactive; }
    [[nodiscard]] bool out_is_terminal() const override { return interactive; }
    [[nodiscard]] bool err_is_terminal() const override { return interactive; }
    [[nodiscard]] bool colour_out() const override { return false; }
    [[nodiscard]] bool colour_err() const override { return false; }
    [[nodiscard]] unsigned columns() const override { return 80; }
    void page(std::string_view text) override {
        paged = true;
        out(text);
    }
    Result<Secret> read_hidden_line(std::size_t bytes_max) override {
        ++hidden_lines;
        return read_line(bytes_max);
    }
    Result<Secret> read_line(std::size_t) override {
        std::string line;
        if (!typed.empty()) {
            line = typed.front();
            typed.pop_front();
        }
        return Secret{std::move(line)};
    }
    [[nodiscard]] bool in_ready() const override { return !typed.empty(); }
    void set_interrupt_note(std::string_view note) override {
        if (!note.empty()) {
            last_note = note;
        }
    }

    std::string stdout_text, stderr_text, last_note;
    std::deque<std::string> typed;
    std::vector<std::vector<std::string>> frames; ///< drawn on the screen
    std::vector<std::chrono::milliseconds> spans; ///< that were waited for a key
    std::deque<Screen::Input> keys;               ///< and other wakes; then its time is over
    bool interactive = false;
    bool paged = false;
    int hidden_lines = 0;
    bool broken = false; ///< stdout takes nothing
    bool closed = false; ///< and that since its reader went away
};

class FakeClock final : public Clock {
public:
    [[nodiscard]] std::int64_t wall_ms() const override { return 1'767'225'600'000 + ticks++; }
    [[nodiscard]] std::chrono::steady_clock::time_point now() const override { return now_; }
    void sleep(std::chrono::milliseconds span) override { now_ += span; }

    mutable std::int64_t ticks = 0; ///< so that ids sort in the order of their making

private:
    std::chrono::steady_clock::time_point now_{std::chrono::hours{1}};
};

class FakeEntropy final : public Entropy {
public:
    void fill(std::span<std::byte> bytes) override {
        for (auto& byte : bytes) {
            state_ = state_ * 6364136223846793005ULL + 1442695040888963407ULL;
            byte = static_cast<std::byte>(state_ >> 56U);
        }
    }

private:
    std::uint64_t state_ = 1;
};

/// One agent's memory; it outlives the sessions with it.
struct Agent {
    std::optional<proto::InstanceSpec> spec;
    std::map<std::string, proto::Operation> operations;
    std::size_t operations_max = SIZE_MAX; ///< of which a list fits into an answer
    std::map<std::string, std::string>
        passwords; ///< user@host → clear text, to check what was told
    bool protect = false;
    bool owned = false;
    std::string ends_as = "done";                     ///< how its next operation ends
    std::optional<proto::ErrorShape> refuses;         ///< the next PUT
    std::optional<proto::ErrorShape> refuses_changes; ///< of what is inside
    std::string status = "running";                   ///< of its instance
    std::set<std::string> unknown_keys; ///< of an earlier version: its answers have none of these
    int quiet_streams = 0;              ///< that many end by their deadline without news
    bool stopped = false;               ///< takes connections, and answers no question

    // What is inside its instance: cli_fake_inside.cpp.
    std::map<std::string, proto::UserDetails> users; ///< by name@host
    std::vector<std::string> databases;
    proto::RootStatus root;
    Json root_history = Json::array();
    std::vector<proto::SessionShape> sessions;
    std::vector<proto::Parameter> parameters;
    std::vector<std::string> log; ///< lines; a cursor is how many were read
    Json events = Json::array();
    int busy_looks = 0;                ///< with a cursor, that are refused
    std::vector<std::string> log_news; ///< one is written before each look with a cursor
    std::string paused_until;
    std::vector<proto::FindingShape> findings;
    std::optional<proto::LoadShape> load; ///< its clock goes on by a second at each look
    std::vector<std::string> warnings;    ///< of its next operations
    ApiRequest last_change;               ///< as it came
    std::vector<proto::Warning> concerns; ///< of its instance
    std::string events_asked;             ///< the last path that asked for events
    std::string ring;                     ///< text; as it was given last
    bool has_left = false;                ///< the fleet's gossip
    bool is_isolated = false;             ///< in it
    std::optional<std::vector<proto::MemberShape>> members; ///< as it alone sees them
    int lost_answers = 0;           ///< that many changes are done, and their answers lost
    bool ends_after_change = false; ///< its machine is off once it has taken the next one
    std::map<std::string, ApiResponse> before; ///< those, by their idempotency key
};

struct World {
    explicit World(std::filesystem::path root);

    /// Runs a command as one process. nullopt: it was killed.
    std::optional<int> jackdaw(std::vector<std::string> words);
    /// A moment at which kill_at may end the process.
    void moment(const std::string& what);

    FakeTerminal terminal;
    FakeClock clock;
    FakeEntropy entropy;
    Folders folders;
    std::map<std::string, std::string> environment;
    std::map<std::string, Agent> agents; ///< by machine name
    std::vector<cloud::Machine> machines;
    std::vector<cloud::Volume> volumes;
    std::vector<ImageView> images{{"mariadb", "10.11.14", "0123456789abcdef", "t", 1}};
    std::optional<Error> machine_error; ///< what create_machine says
    std::optional<Error> network_error; ///< what is wrong with the network that is wanted
    std::vector<std::string> calls;     ///< of the provider and of agents
    std::optional<std::size_t> kill_at; ///< ends the process at this moment of it
    std::size_t moments = 0;
    bool unreachable = false;                ///< every dial fails
    std::uint64_t room_bytes = UINT64_MAX;   ///< that the provider's disk has free
    std::uint64_t memory_bytes = UINT64_MAX; ///< of the largest machine to be had
    std::set<std::string> volume_types{"ssd"};
    bool deleted_meanwhile = false;       ///< an agent's instance goes right before the next DELETE
    std::vector<proto::Instance> rumours; ///< that gossip still tells of
    std::vector<std::string> local_calls; ///< what only local machines can do
    std::vector<std::string> image_words; ///< of the last `image build`
    std::vector<cloud::VolumeSpec> volume_specs; ///< as they were asked for
    std::vector<cloud::MachineSpec> machine_specs;
    std::vector<proto::MemberShape> members;
    std::vector<std::string> client_words; ///< of the stock client that was become
    std::string client_options;
    std::chrono::milliseconds dial_span{0}; ///< that the last dial had
};

/// What the fleet's membership is asked. nullopt: it is not about that.
[[nodiscard]] std::optional<ApiResponse> answer_fleet(const World& world, Agent& agent,
                                                      const ApiRequest& request);
/// GETs of what is inside; changes of it are made at once. nullopt: it is not about that.
[[nodiscard]] std::optional<ApiResponse> answer_inside(Agent& agent, const ApiRequest& request);

} // namespace jackdaw::cli::fakes
