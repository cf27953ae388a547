#include "agent/agent.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <fstream>
#include <sstream>

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "agent/api/channel_server.h"
#include "agent/api/event_hub.h"
#include "agent/api/http_server.h"
#include "agent/api/listeners.h"
#include "agent/api/router.h"
#include "agent/core/error_line.h"
#include "agent/faults.h"
#include "agent/fleet.h"
#include "agent/hand_over.h"
#include "agent/host/host_client.h"
#include "agent/host/serial_host.h"
#include "agent/identity/identity.h"
#include "agent/life/life.h"
#include "agent/state/store.h"
#include "plugins/api/loader.h"
#include "proto/base/ids.h"
#include "proto/runtime/clock.h"
#include "proto/runtime/offload.h"
#include "proto/runtime/task_scope.h"

namespace jackdaw::agent {
namespace {

namespace asio = boost::asio;
constexpr auto as_result = asio::as_tuple(asio::use_awaitable);
constexpr const char* fleet_folder =
    "/etc/jackdaw/fleet"; ///< of the hand-over; watched, not read, by this process
constexpr std::chrono::hours copy_check{1};
constexpr std::chrono::seconds listen_again{10}; ///< for metrics, when the address is not there
constexpr std::chrono::seconds look_again{10};   ///< for what makes a member and cannot be watched
constexpr std::size_t entries_looked_at = 1'000; ///< of the timeline: how the agent before ended
constexpr std::uint32_t no_database_uid = ~0U - 1;

std::error_code last_error() {
    return {errno, std::system_category()};
}

/// Field 22 of proc(5)'s /proc/PID/stat: ticks since the host's boot; empty when it cannot be read.
std::string start_of_first_process() {
    std::ifstream file{"/proc/1/stat"};
    std::string text;
    std::getline(file, text);
    const auto behind_name = text.rfind(')'); // the name may hold anything
    if (behind_name == std::string::npos) {
        return {};
    }
    std::istringstream fields{text.substr(behind_name + 1)};
    std::string field;
    for (int number = 3; number <= 22 && fields >> field; ++number) {
    }
    return field;
}

/// Since when the machine is on; empty: it cannot be told.
std::string machine_since(const runtime::Clock& clock) {
    const auto field = start_of_first_process();
    std::int64_t ticks = 0;
    const auto [end, failure] = std::from_chars(field.data(), field.data() + field.size(), ticks);
    const auto per_second = ::sysconf(_SC_CLK_TCK);
    if (failure != std::errc{} || per_second <= 0) {
        return {};
    }
    const auto age_ms = runtime::Clock::boottime_ns() / 1'000'000 - ticks * 1000 / per_second;
    return rfc3339(clock.wall_ms() - age_ms);
}

/// Everything that lives for the whole run, in the order of its making.
class Agent {
public:
    Agent(Settings settings, UniqueFd host_socket)
        : settings_{std::move(settings)},
          client_{host_socket ? std::make_unique<HostClient>(std::move(host_socket)) : nullptr},
          inner_{client_ ? static_cast<Host*>(client_.get()) : &no_host_},
          host_{*inner_},
          faults_{settings_.state_folder + "/faults"} {}

    Result<void> run();

private:
    Result<void> open();
    Result<void> open_sockets();
    asio::awaitable<Result<void>> serve();
    asio::awaitable<Result<void>> serve_metrics();
    asio::awaitable<Result<void>> watch_hand_over();
    asio::awaitable<Result<void>> watch_host();
    asio::awaitable<Result<void>> housekeeping();
    static asio::awaitable<Result<void>> part(std::string name, asio::awaitable<Result<void>> body);
    Result<void> take_hand_over();
    /// On the loop. Also before serve() waits for it.
    void stop() { stopped_->expires_at(asio::steady_timer::time_point::min()); }
    /// From any thread: the program must be started again. What is told first is said last.
    void end_for(const Error& error) {
        asio::post(io_, [this, told = std::make_shared<Error>(error.clone())] {
            if (!fatal_) {
                fatal_ = std::move(*told);
            }
            stop();
        });
    }

    Settings settings_;
    std::unique_ptr<HostClient> client_;
    NoHost no_host_;
    Host* inner_;
    SerialHost host_;
    FaultFile faults_;
    MachineFile machine_;
    std::unique_ptr<StateStore> store_;
    std::unique_ptr<runtime::Clock> clock_;
    std::optional<Identity> identity_;
    /// Made by open() behind the store, which forks once and so wants no threads.
    std::optional<asio::thread_pool> pool_;
    std::optional<asio::thread_pool> public_pool_; ///< a look keeps nobody's change waiting
    std::optional<asio::thread_pool> metrics_pool_;
    asio::io_context io_{1};
    EventHub hub_;
    std::unique_ptr<Timeline> timeline_;
    std::optional<asio::steady_timer> stopped_;
    bool asked_to_end_ = false; ///< by a signal
    std::optional<Error> fatal_;
    std::unique_ptr<Fleet> fleet_;
    std::unique_ptr<Life> life_;
    std::unique_ptr<Router> router_;
    std::unique_ptr<HttpServer> admin_, public_, metrics_;
    std::unique_ptr<ChannelServer> channel_;
    std::optional<HandOver> hand_over_;
    std::vector<UniqueFd> udp_; ///< one per address family
};

Result<void> Agent::open() {
    // A host waits for the end of the one before it, which beside a living agent is for ever.
    JACKDAW_CHECK(StateStore::check_free(settings_.state_folder));
    JACKDAW_TRY(machine_, host_.machine_file());
    StateOptions options{settings_.state_folder, settings_.state_map_bytes};
    options.on_lost = [this](const Error& error) { end_for(error); };
    JACKDAW_TRY(store_, StateStore::open(std::move(options)));
    pool_.emplace(4);
    public_pool_.emplace(1);
    metrics_pool_.emplace(1);
    // Two power-ons of one local machine share the host's boot id; its first process's start tells
    // them apart.
    clock_ = std::make_unique<runtime::Clock>(start_of_first_process(), faults_.path());
    timeline_ = std::make_unique<Timeline>(
        Timeline::Parts{*store_, *clock_,
                        [this](std::function<void()> work) { asio::post(*pool_, std::move(work)); },
                        [this] { asio::post(io_, [this] { hub_.changed(timeline_watch); }); }});
    JACKDAW_CHECK(timeline_->load());
    JACKDAW_TRY(identity_, Identity::load_or_make(settings_.state_folder));
    JACKDAW_TRY(const auto listen, parse_host_port(settings_.listen));
    auto name = settings_.name.empty() ? machine_.instance_name : settings_.name;
    if (name.empty()) {
        std::array<char, 256> host_name{};
        ::gethostname(host_name.data(), host_name.size() - 1);
        name = std::string{host_name.data()}.substr(0, proto::gossip_name_bytes_max);
    }
    auto address = settings_.advertise.empty() ? machine_.address : settings_.advertise;
    if (address.empty()) {
        address = listen.host;
    }
    const auto facts = host_.facts(); // a plain member has none: its database is not its own
    const auto cores = facts ? std::max<std::uint32_t>(1, facts->cores) : 1U;
    JACKDAW_TRY(const auto gossip_config, gossip_config_of(settings_));
    fleet_ = std::make_unique<Fleet>(
        Fleet::Parts{*identity_, *store_, *clock_, agent_version,
                     [this] { return life_ ? life_->instance() : std::nullopt; },
                     [this] { return life_ && life_->deleted(); }, cores,
                     [this](std::string_view kind, std::string subject, std::string text) {
                         timeline_->add(kind, std::move(subject), std::move(text));
                     },
                     [this](std::string_view record, std::string_view point) {
                         faults_.at("gossip", record, point);
                     },
                     io_.get_executor(), *pool_},
        Fleet::Label{name, address, listen.port, settings_.gossip_profile, gossip_config});

    LifeSettings life_settings;
    life_settings.agent_version = agent_version;
    life_settings.probe_period = std::chrono::milliseconds{settings_.probe_period_ms};
    life_settings.operation_limit = std::chrono::seconds{settings_.operation_limit_s};
    life_settings.memory_folders = {"/tmp", "/dev/shm", "/run", std::string{database_run_folder}};
    life_settings.renew_firewall = true; // `listen` or `metrics-listen` may have been another one
    const auto plugin_folder =
        machine_.plugin_folder.empty() ? settings_.plugin_folder : machine_.plugin_folder;
    life_ = std::make_unique<Life>(
        Life::Parts{
            host_, *store_, *clock_,
            [plugin_folder](
                const std::string& datastore) -> Result<std::shared_ptr<plugins::Datastore>> {
                JACKDAW_TRY(auto loaded, plugins::load_driver(plugin_folder, datastore));
                return std::shared_ptr<plugins::Datastore>{loaded.make()};
            },
            [this](std::string_view action, std::string_view step, std::string_view point) {
                faults_.at(action, step, point);
            },
            [this](const std::string& operation) {
                asio::post(io_, [this, operation] {
                    operation.empty() ? fleet_->refresh() : hub_.changed(operation);
                });
            },
            [this](std::string_view kind, std::string subject, std::string text,
                   std::string operation) {
                timeline_->add(kind, std::move(subject), std::move(text), std::move(operation));
            },
            [this](const Error& error) { end_for(error); }},
        life_settings);
    router_ = std::make_unique<Router>(
        Router::Parts{*life_, *clock_, *fleet_, agent_version, timeline_.get(), &host_,
                      settings_.state_folder, identity_->request_key()});

    JACKDAW_CHECK(open_sockets());

    JACKDAW_TRY(auto tcp, listen_tcp(listen));
    JACKDAW_TRY(udp_, listen_udp(listen)); // also without a fleet: what cannot be had is told now
    asio::ip::tcp::acceptor acceptor{io_};
    boost::system::error_code ec;
    acceptor.assign(listen.host.starts_with('[') ? asio::ip::tcp::v6() : asio::ip::tcp::v4(),
                    tcp.get(), ec);
    if (ec) {
        return Error{Errc::unavailable, fmt::format("listen on {}", settings_.listen), ec};
    }
    (void)tcp.release(); // the acceptor's now
    channel_ = std::make_unique<ChannelServer>(
        std::move(acceptor),
        ChannelServer::Parts{*router_, *life_, hub_, *pool_,
                             [this]() -> std::optional<runtime::ChannelKeys> {
                                 const bool ours = hand_over_ && !fleet_->has_twin();
                                 return ours ? std::optional{hand_over_->keys} : std::nullopt;
                             }});
    return ok();
}

/// The UNIX sockets of the API.
Result<void> Agent::open_sockets() {
    UniqueFd admin;
    UniqueFd everyone;
    if (client_) {
        JACKDAW_TRY(admin, client_->bind_admin_socket());
        JACKDAW_TRY(everyone, client_->bind_public_socket());
    } else {
        JACKDAW_TRY(admin, listen_unix(settings_.run_folder + "/admin.sock", 0600));
        JACKDAW_TRY(everyone, listen_unix(settings_.run_folder + "/public.sock", 0666));
    }
    const auto database_uid =
        machine_.instance_id.empty() ? no_database_uid : machine_.database_uid;
    admin_ = std::make_unique<HttpServer>(io_.get_executor(), std::move(admin), HttpAudience::admin,
                                          HttpServer::Parts{*router_, hub_, *pool_, database_uid});
    public_ = std::make_unique<HttpServer>(
        io_.get_executor(), std::move(everyone), HttpAudience::everyone,
        HttpServer::Parts{*router_, hub_, *public_pool_, database_uid});
    return ok();
}

Result<void> Agent::take_hand_over() {
    if (fleet_->is_open()) {
        return ok();
    }
    Membership membership;
    membership.fleet = machine_.fleet;
    membership.instance_id = machine_.instance_id;
    membership.seeds = settings_.seeds;
    std::optional<HandOver> hand_over;
    if (!settings_.ring_file.empty()) {
        JACKDAW_TRY(membership.ring, read_ring_file(settings_.ring_file));
    } else {
        JACKDAW_TRY(hand_over, read_hand_over(host_, *identity_));
        if (!hand_over) {
            return ok();
        }
        if (hand_over->statement.instance_id != machine_.instance_id) {
            return Error{Code::bad_peer,
                         "the statement in the fleet files is about another instance"};
        }
        spdlog::info("agent: handed over to fleet '{}' as '{}'", hand_over->statement.fleet,
                     hand_over->statement.name);
        membership.fleet = hand_over->statement.fleet;
        membership.ring = std::move(hand_over->ring);
        membership.operator_key = hand_over->keys.anchor.operator_key;
        membership.seeds.insert(membership.seeds.end(), hand_over->seeds.begin(),
                                hand_over->seeds.end());
    }
    hand_over_ = std::move(hand_over);
    const auto opened = fleet_->open(udp_, std::move(membership));
    return Result<void>{opened ? ok() : opened.error().clone().while_doing("join the fleet")};
}

/// An address that is not there yet, or taken, keeps no agent from its database.
asio::awaitable<Result<void>> Agent::serve_metrics() {
    if (settings_.metrics_listen.empty()) {
        co_return ok();
    }
    const auto executor = co_await asio::this_coro::executor;
    JACKDAW_CO_TRY(const auto where, parse_metrics_listen(settings_.metrics_listen));
    asio::steady_timer timer{executor};
    auto listener = listen_tcp(where);
    for (bool told = false; !listener; listener = listen_tcp(where)) {
        if (!std::exchange(told, true)) {
            const auto why = listener.error().to_string();
            spdlog::error("agent: metrics: {}; trying again every {} s", why, listen_again.count());
            timeline_->add("metrics.closed", "", why);
        }
        timer.expires_after(listen_again);
        const auto [ec] = co_await timer.async_wait(as_result);
        if (ec) {
            co_return ok();
        }
    }
    metrics_ = std::make_unique<HttpServer>(
        executor, *std::move(listener), HttpAudience::pollers,
        HttpServer::Parts{*router_, hub_, *metrics_pool_, no_database_uid});
    spdlog::info("agent: metrics and health at {}", settings_.metrics_listen);
    co_return co_await metrics_->run();
}

asio::awaitable<Result<void>> Agent::watch_hand_over() {
    const auto executor = co_await asio::this_coro::executor;
    asio::posix::stream_descriptor events{executor};
    asio::steady_timer timer{executor};
    const int fd = ::inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) { // a user has 128 of them by default
        spdlog::warn("agent: the fleet's files cannot be watched ({}); looking every {} s",
                     last_error().message(), look_again.count());
    } else {
        events.assign(fd);
    }
    co_await fleet_->wait_for_boot();
    // A plain member has no such folder: while its ring is not right, that is looked at by time.
    const bool is_plain = !settings_.ring_file.empty();
    const bool by_time = fd < 0 || is_plain;
    const bool watching =
        by_time || ::inotify_add_watch(fd, fleet_folder, IN_MOVED_TO | IN_CLOSE_WRITE) >= 0;
    std::string told;
    for (;;) {
        const auto taken = take_hand_over();
        const auto why = taken ? std::string{} : line_of(proto::shape_of(taken.error()));
        if (!taken && std::exchange(told, why) != why) {
            spdlog::error("agent: {}: {}{}", is_plain ? "the gossip ring" : "the hand-over", why,
                          is_plain ? fmt::format("; {}; looking every {} s", taken.error().hint(),
                                                 look_again.count())
                                   : "");
        }
        fleet_->is_kept_out(is_plain ? why : "");
        if (fleet_->is_open()) {
            co_return co_await fleet_->run();
        }
        std::array<char, 4096> buffer{};
        if (!watching) {
            co_return ok();
        }
        if (by_time) {
            timer.expires_after(look_again);
            const auto [ec] = co_await timer.async_wait(as_result);
            if (ec) {
                co_return ok();
            }
            continue;
        }
        const auto [ec, size] = co_await events.async_read_some(asio::buffer(buffer), as_result);
        (void)size; // which file it was does not matter: all are looked at
        if (ec) {
            co_return ok();
        }
    }
}

asio::awaitable<Result<void>> Agent::watch_host() {
    if (!client_) {
        co_return ok();
    }
    // A verb's answer makes it readable, too, and is taken by the thread that asked: so ask now and
    // then.
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (;;) {
        timer.expires_after(std::chrono::seconds{1});
        const auto [ec] = co_await timer.async_wait(as_result);
        if (ec) {
            co_return ok();
        }
        if (client_->has_ended()) {
            end_for(Error{Errc::unavailable, "jackdaw-host has ended; both start again"});
            co_return ok();
        }
    }
}

asio::awaitable<Result<void>> Agent::housekeeping() {
    asio::steady_timer timer{co_await asio::this_coro::executor};
    for (auto wait = std::chrono::steady_clock::duration{std::chrono::minutes{1}};;
         wait = copy_check) {
        timer.expires_after(wait);
        const auto [ec] = co_await timer.async_wait(as_result);
        if (ec) {
            co_return ok();
        }
        auto work = [this] { return store_->copy_if_due(clock_->wall_ms()); };
        const auto copied = co_await runtime::offload(*pool_, std::move(work));
        if (!copied) {
            spdlog::warn("agent: copy the state: {}; trying again in an hour",
                         copied.error().to_string());
        }
    }
}

/// One that fails ends alone, since the database needs the others; nobody joins it until the end.
asio::awaitable<Result<void>> Agent::part(std::string name, asio::awaitable<Result<void>> body) {
    auto ended = co_await std::move(body);
    if (!ended && ended.error().code() != Errc::cancelled) {
        spdlog::error("agent: {} has ended: {}", name, ended.error().to_string());
    }
    co_return std::move(ended);
}

asio::awaitable<Result<void>> Agent::serve() {
    const auto executor = co_await asio::this_coro::executor;
    asio::signal_set signals{executor, SIGTERM, SIGINT};
    signals.async_wait([this](const boost::system::error_code& ec, int number) {
        if (!ec) {
            spdlog::info("agent: signal {}, stopping; the database goes on", number);
            asked_to_end_ = true;
            stop();
        }
    });
    runtime::TaskScope scope{executor};
    scope.spawn("admin.sock", part("admin.sock", admin_->run()));
    scope.spawn("public.sock", part("public.sock", public_->run()));
    scope.spawn("metrics", part("metrics", serve_metrics()));
    scope.spawn("channel", part("the channel", channel_->run()));
    scope.spawn("fleet", part("the fleet", watch_hand_over()));
    scope.spawn("host", part("the host", watch_host()));
    scope.spawn("housekeeping", part("housekeeping", housekeeping()));
    co_await stopped_->async_wait(as_result);
    scope.request_stop();
    auto ended = co_await scope.join();
    signals.cancel();
    if (fatal_) {
        co_return *std::move(fatal_);
    }
    co_return std::move(ended);
}

Result<void> Agent::run() {
    stopped_.emplace(io_, asio::steady_timer::time_point::max());
    JACKDAW_CHECK(open());
    const auto left = timeline_->newest(entries_looked_at); // before this agent's own
    if (auto started = life_->start(); !started) {
        pool_->join(); // it writes what was told, and would outlive the timeline that it writes
        return started;
    }
    // Told no earlier: agents that do not start would tell of one end again and again.
    if (!left) {
        spdlog::warn("agent: read the timeline: {}", left.error().to_string());
    } else if (auto unasked = unasked_end(*left, machine_since(*clock_))) {
        spdlog::warn("agent: {}: {}", unasked->kind, unasked->text);
        timeline_->add(unasked->kind, "", std::move(unasked->text));
    }
    timeline_->add("agent.started", "",
                   fmt::format("version {}, process {}", agent_version, ::getpid()));
    spdlog::info("agent: version {}, pid {}, listening on {}", agent_version, ::getpid(),
                 settings_.listen);
    Result<void> outcome;
    asio::co_spawn(io_, serve(), [&](const std::exception_ptr& thrown, Result<void> result) {
        outcome = thrown ? Result<void>{Error{Errc::internal, "the loop ended by an exception"}}
                         : std::move(result);
    });
    io_.run();
    life_->stop();
    if (asked_to_end_) { // also when a part of it had failed before
        timeline_->add("agent.stopped", "", fmt::format("process {}", ::getpid()));
    }
    pool_->join();
    public_pool_->join();
    metrics_pool_->join();
    timeline_->flush();
    return outcome;
}

} // namespace

Result<void> run_agent(const Settings& settings, UniqueFd host_socket) {
    Agent agent{settings, std::move(host_socket)};
    return agent.run();
}

} // namespace jackdaw::agent
