#include "agent/gossip_figures.h"

#include <array>
#include <map>
#include <string_view>
#include <utility>

namespace jackdaw::agent {
namespace {

using proto::MetricFamily;
using swim::Counters;

constexpr std::string_view prefix = "jackdaw_gossip_";
constexpr std::array<std::string_view, proto::datagram_kinds> kinds{
    "unknown", "ping", "ack",  "ping_req", "ind_ack", "nack",     "confirm", "clear", "gossip",
    "join",    "tree", "leaf", "want",     "records", "page_ask", "page",    "busy",  "stale_boot"};

struct Row {
    std::string_view name;
    std::uint64_t Counters::* value;
    std::string_view help;
};
constexpr std::array rows{
    Row{"heard", &Counters::heard, "datagrams of others that were taken"},
    Row{"probes_ok", &Counters::probes_ok, "probes that ended with a sign of life"},
    Row{"probes_indirect", &Counters::probes_indirect, "of those, by way of a helper"},
    Row{"probes_failed", &Counters::probes_failed, "probes that ended without"},
    Row{"probes_refused", &Counters::probes_refused,
        "probes that others' words asked for, beyond the limits"},
    Row{"pings_again", &Counters::pings_again, "pings of a probe after its first"},
    Row{"doubts", &Counters::doubts, "doubts opened"},
    Row{"doubts_cleared", &Counters::doubts_cleared, "doubts that an observer cleared"},
    Row{"doubts_published", &Counters::doubts_published, "doubts that became a suspicion"},
    Row{"doubts_refused", &Counters::doubts_refused, "doubts beyond the limit"},
    Row{"suspicions", &Counters::suspicions, "members that became suspect"},
    Row{"refutations", &Counters::refutations, "accusations of this member that it refuted"},
    Row{"accused_again", &Counters::accused_again,
        "times that somebody told this member what it had refuted already"},
    Row{"downs", &Counters::downs, "own verdicts of down"},
    Row{"late_ticks", &Counters::late_ticks, "times that this process ran late"},
    Row{"lates_judged", &Counters::lates_judged,
        "of those, times that nothing was forgiven for it: it is late often, and was spoken to"},
    Row{"lost_input", &Counters::lost_input,
        "datagrams that the kernel dropped before they were read"},
    Row{"losses_judged", &Counters::losses_judged,
        "times that, since it had been so lately, nothing was forgiven for it"},
    Row{"soundings", &Counters::soundings,
        "pings beside the probes, while hardly anybody was heard"},
    Row{"news_stale", &Counters::news_stale, "items that changed nothing"},
    Row{"news_too_high", &Counters::news_too_high, "accusations beyond what could be refuted"},
    Row{"news_forged", &Counters::news_forged, "items with a false signature or a foreign key"},
    Row{"news_ignored", &Counters::news_ignored,
        "items of senders that had just told of too many false ones"},
    Row{"news_unverified", &Counters::news_unverified, "items dropped while too many waited"},
    Row{"members_refused", &Counters::members_refused, "members beyond the limit"},
    Row{"zones_refused", &Counters::zones_refused, "members whose zone is beyond the limit"},
    Row{"graves_dropped", &Counters::graves_dropped, "tombstones beyond the limit"},
    Row{"events_lost", &Counters::events_lost, "events beyond the limit"},
    Row{"syncs", &Counters::syncs, "syncs begun here"},
    Row{"sync_bytes", &Counters::sync_bytes, "bytes sent by sync and pages"},
    Row{"synced", &Counters::synced, "facts learned by sync"},
    Row{"joins_served", &Counters::joins_served, "joins answered with pages"},
    Row{"joins_busy", &Counters::joins_busy, "joins answered with busy"},
    Row{"relays_refused", &Counters::relays_refused, "probes for others beyond the limit"},
    Row{"digests_differ", &Counters::digests_differ, "pings and acks that showed another view"},
    Row{"digests_differ_long", &Counters::digests_differ_long,
        "of those, while neither view had changed for 10 s"},
};

struct Reason {
    std::string_view name;
    std::uint64_t Counters::* value;
};
constexpr std::array dropped{Reason{"malformed", &Counters::dropped_malformed},
                             Reason{"version", &Counters::dropped_version},
                             Reason{"replay", &Counters::dropped_replay},
                             Reason{"boot", &Counters::dropped_boot},
                             Reason{"stranger", &Counters::dropped_stranger},
                             Reason{"own_id", &Counters::dropped_own_id},
                             Reason{"rate", &Counters::dropped_rate},
                             Reason{"outbox", &Counters::dropped_outbox}};

MetricFamily family(std::string_view name, std::string_view type, std::string_view help) {
    return {std::string{prefix}.append(name), std::string{type}, std::string{help}, {}};
}

void add(MetricFamily& to, std::uint64_t value, std::string_view label = {},
         std::string_view of = {}) {
    auto& sample = to.samples.emplace_back();
    sample.suffix = to.type == "counter" ? "_total" : "";
    if (!label.empty()) {
        sample.labels.emplace_back(std::string{label}, std::string{of});
    }
    sample.value = static_cast<double>(value);
}

void add_one(std::vector<MetricFamily>& families, std::string_view name, std::string_view type,
             std::string_view help, std::uint64_t value) {
    add(families.emplace_back(family(name, type, help)), value);
}

void add_kinds(std::vector<MetricFamily>& families, std::string_view way,
               const std::array<Counters::Kind, proto::datagram_kinds>& counts) {
    auto datagrams = family(std::string{"datagrams_"}.append(way), "counter", "datagrams by kind");
    auto bytes =
        family(std::string{"plain_bytes_"}.append(way), "counter", "their bytes inside the seal");
    for (std::size_t i = 0; i < kinds.size(); ++i) {
        add(datagrams, counts[i].datagrams, "kind", kinds[i]);
        add(bytes, counts[i].bytes, "kind", kinds[i]);
    }
    families.push_back(std::move(datagrams));
    families.push_back(std::move(bytes));
}

gossip::DatagramSocket::Counters sum_of(const std::vector<gossip::DatagramSocket>& sockets) {
    gossip::DatagramSocket::Counters all;
    for (const auto& socket : sockets) {
        const auto& one = socket.counters();
        all.received += one.received;
        all.received_bytes += one.received_bytes;
        all.too_long += one.too_long;
        all.unanswerable += one.unanswerable;
        all.lost += one.lost;
        all.reads_failed += one.reads_failed;
        all.sent += one.sent;
        all.sent_bytes += one.sent_bytes;
        all.send_full += one.send_full;
        all.send_too_big += one.send_too_big;
        all.send_failed += one.send_failed;
        all.refused += one.refused;
        all.icmp_other += one.icmp_other;
    }
    return all;
}

void add_socket(std::vector<MetricFamily>& families, const gossip::SwimPass& pass,
                const gossip::DatagramSocket::Counters& all) {
    add_one(families, "received", "counter", "datagrams read, of strangers too", all.received);
    add_one(families, "received_bytes", "counter", "UDP payload read", all.received_bytes);
    add_one(families, "sent", "counter", "datagrams that the kernel took", all.sent);
    add_one(families, "sent_bytes", "counter", "UDP payload sent", all.sent_bytes);
    add_one(families, "kernel_lost", "counter", "datagrams lost in the kernel's buffer", all.lost);
    add_one(families, "reads_failed", "counter", "times that a socket could not be read",
            all.reads_failed);
    add_one(families, "input_without_end", "counter",
            "times that reading was broken off to let time pass",
            pass.counters().input_without_end);
    add_one(families, "refused", "counter", "datagrams that nobody took (ICMP)", all.refused);
    add_one(families, "icmp_other", "counter", "other errors that the network told of (ICMP)",
            all.icmp_other);
    auto unsent = family("unsent", "counter", "datagrams that the kernel did not take");
    add(unsent, all.send_full, "reason", "full");
    add(unsent, all.send_too_big, "reason", "too_big");
    add(unsent, all.send_failed, "reason", "failed");
    add(unsent, pass.counters().no_socket, "reason", "no_socket");
    families.push_back(std::move(unsent));
    add_one(families, "records_not_kept", "counter", "times that the state could not be kept",
            pass.counters().keeps_failed);
}

void add_gauges(std::vector<MetricFamily>& families, const swim::Swim& core, bool hears_nobody,
                Instant now) {
    add_one(families, "health", "gauge", "of this member as it probes: 0 good to 7 bad",
            core.health());
    add_one(families, "isolated", "gauge", "1: nobody is heard", hears_nobody ? 1 : 0);
    add_one(families, "detours", "gauge", "members that answer others and not this one",
            core.detours().size());
    add_one(families, "doubts_open", "gauge", "doubts that stand", core.doubts().size());
    add_one(families, "unverified", "gauge", "items whose signature is still to be looked at",
            core.unverified());
    auto queue = family("news_waiting", "gauge", "items to be told, by class");
    add(queue, core.news().size(swim::NewsClass::members), "class", "members");
    add(queue, core.news().size(swim::NewsClass::statuses), "class", "statuses");
    add(queue, core.news().size(swim::NewsClass::hints), "class", "hints");
    families.push_back(std::move(queue));
    auto rto = family("rto_seconds", "gauge", "how long an answer is waited for, by zone");
    std::map<std::string_view, Duration> zones;
    for (std::size_t i = 0; i < core.view().live(); ++i) {
        const auto& entry = core.view().live_at(i);
        // One line for each zone that is estimated: they are bounded, and names of zones are not.
        if (&entry != &core.self() && entry.zone != swim::Estimates::no_zone) {
            zones.try_emplace(entry.alive->zone(), core.rto(now, entry));
        }
    }
    for (const auto& [zone, value] : zones) {
        add(rto, 0, "zone", zone);
        rto.samples.back().value = std::chrono::duration<double>(value).count();
    }
    families.push_back(std::move(rto));
}

} // namespace

std::vector<MetricFamily> gossip_figures(const swim::Swim& core, const gossip::SwimPass& pass,
                                         bool hears_nobody, Instant now) {
    std::vector<MetricFamily> families;
    const auto& counters = core.counters();
    add_gauges(families, core, hears_nobody, now);
    add_kinds(families, "in", counters.in);
    add_kinds(families, "out", counters.out);
    const auto socket = sum_of(pass.sockets());
    auto drops = family("dropped", "counter", "datagrams dropped, by reason");
    for (const auto& one : dropped) {
        add(drops, counters.*one.value, "reason", one.name);
    }
    add(drops, pass.link().counters().unknown_key, "reason", "key");
    add(drops, pass.link().counters().broken, "reason", "seal");
    add(drops, socket.too_long, "reason", "too_long");
    add(drops, socket.unanswerable, "reason", "unanswerable");
    families.push_back(std::move(drops));
    for (const auto& one : rows) {
        add_one(families, one.name, "counter", one.help, counters.*one.value);
    }
    add_one(families, "news_dropped", "counter", "items that a full queue told no more",
            core.news().dropped());
    add_one(families, "hints_forgotten", "counter", "hints' keys beyond the limit",
            core.hints().forgotten());
    auto deaf = family("deaf_seconds", "counter", "time in which nobody was heard");
    add(deaf, 0);
    deaf.samples.back().value = static_cast<double>(counters.deaf_ms) / 1000;
    families.push_back(std::move(deaf));
    add_socket(families, pass, socket);
    return families;
}

proto::Json figures_json(const std::vector<MetricFamily>& families) {
    auto all = proto::Json::object();
    for (const auto& one : families) {
        for (const auto& sample : one.samples) {
            auto name = one.name.substr(one.name.starts_with(prefix) ? prefix.size() : 0);
            for (const auto& [label, of] : sample.labels) {
                name += of.empty() ? of : "." + of;
            }
            all[name] = sample.value;
        }
    }
    return all;
}

} // namespace jackdaw::agent
