// The table of members against a plain model, the digest tree between two views, pages, the news
// queue.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include <catch2/catch.hpp>

#include "gossip/core/swim/anti_entropy.h"
#include "gossip/core/swim/join.h"
#include "gossip/core/swim/news_queue.h"
#include "gossip/core/swim/random.h"

using namespace jackdaw;
using namespace jackdaw::swim;
using namespace std::chrono_literals;

namespace {

constexpr Instant start{1000s};

struct Pool {
    Records records{proto::ViewKey{proto::FleetId{77}}};

    SignedRef alive(std::uint64_t id, std::uint64_t incarnation, std::string_view name = "n") {
        proto::AliveBody body;
        body.id = NodeId{id};
        body.incarnation = incarnation;
        body.boot = 5;
        body.address.ip_bytes = 4;
        body.address.port = 1;
        body.name = name;
        body.zone = "az1";
        std::array<char, proto::alive_body_bytes_max> bytes{};
        NewsItem item;
        item.kind = NewsKind::alive;
        item.bytes = {bytes.data(), proto::encode_alive_body(body, bytes)};
        REQUIRE(proto::decode_alive_body(item.bytes, item.alive));
        item.id = body.id;
        item.incarnation = incarnation;
        const std::string key(32, 'k');
        const std::string signature(64, 's');
        item.public_key = key;
        item.signature = signature;
        return records.keep_signed(item);
    }
};

} // namespace

TEST_CASE("records: the same record is kept once, and goes with its last holder") {
    Pool pool;
    {
        const auto one = pool.alive(1, 2, "db1");
        const auto same = pool.alive(1, 2, "db1");
        const auto other = pool.alive(1, 2, "db2");
        CHECK(one == same);
        CHECK_FALSE(one == other);
        CHECK(pool.records.size() == 2);
        CHECK((one->name() == "db1" && one->zone() == "az1" && one->boot == 5));
        CHECK(one->as_news().bytes == one->body());
        const auto status = pool.records.keep_status(NodeId{1}, 9, "up");
        CHECK(status == pool.records.keep_status(NodeId{1}, 9, "up"));
        CHECK(pool.records.size() == 3);
    }
    CHECK(pool.records.size() == 0);
}

TEST_CASE("view: after any changes it is what a plain model is") {
    Pool pool;
    Random random{3};
    View view{pool.records.view_key(), random.next()};
    std::map<std::uint64_t, Claim> model;
    auto now = start;
    for (int step = 0; step < 4000; ++step) {
        now += 1ms;
        const auto id = 1 + random.below(60);
        auto* const entry = view.find(NodeId{id});
        CHECK((entry != nullptr) == model.contains(id));
        if (entry == nullptr) {
            view.add(pool.alive(id, 1 + random.below(5)), now);
            model[id] = view.find(NodeId{id})->claim();
        } else if (random.below(10) == 0) {
            view.bury(*entry, now);
            REQUIRE(view.tombstone_of(NodeId{id}) != nullptr);
            CHECK(*view.tombstone_of(NodeId{id}) == model[id]);
            model.erase(id);
        } else if (random.below(4) == 0) {
            view.set_status(*entry, pool.records.keep_status(NodeId{id}, 1 + random.below(9), "x"));
        } else if (random.below(4) == 0) {
            view.set_alive(*entry, pool.alive(id, entry->incarnation + 1), now);
            model[id] = {entry->incarnation, Standing::alive};
        } else {
            const Claim claim{entry->incarnation + random.below(2),
                              static_cast<Standing>(random.below(4))};
            view.set_state(*entry, claim, now);
            model[id] = claim;
        }
        std::uint64_t digest = 0;
        View::TreeDigests tree{};
        std::size_t live = 0;
        std::size_t suspects = 0;
        for (const auto& [held_id, claim] : model) {
            const auto& held = *view.find(NodeId{held_id});
            CHECK(held.claim() == claim);
            if (is_live(claim.state)) {
                digest ^= view.digest_of(held);
                tree[held.place() >> 56U] ^= digest_on_wire(view.digest_of(held));
                ++live;
                CHECK(&view.live_at(view.live_index(held)) == &held);
            }
            suspects += claim.state == Standing::suspect ? 1U : 0U;
        }
        REQUIRE(view.digest() == digest);
        REQUIRE(view.tree_digests() == tree);
        const auto root = tree_of(view, {0, 0});
        for (std::uint32_t child = 0; child < 16; ++child) {
            const auto below = tree_of(view, {1, child});
            std::uint32_t folded = 0;
            for (std::uint32_t i = 0; i < 16; ++i) {
                REQUIRE(below.children[i] == tree[16 * child + i]);
                folded ^= tree[16 * child + i];
            }
            REQUIRE(root.children[child] == folded);
        }
        REQUIRE(view.live() == live);
        REQUIRE(view.dead() == model.size() - live);
        REQUIRE(view.suspects() == suspects);
        for (std::size_t i = 1; i < view.live(); ++i) {
            REQUIRE(std::pair{view.live_at(i - 1).place(), view.live_at(i - 1).id()} <
                    std::pair{view.live_at(i).place(), view.live_at(i).id()});
        }
    }
}

TEST_CASE("view: the dead become graves after a day, graves go after three") {
    Pool pool;
    View view{pool.records.view_key(), 1};
    auto& entry = view.add(pool.alive(1, 4), start);
    view.add(pool.alive(2, 4), start);
    view.set_state(entry, {4, Standing::down}, start);
    int forgotten = 0;
    const auto reap = [&](Instant now) {
        view.reap(now - dead_kept, now - tombstone_kept, now, [&](const Entry&) { ++forgotten; });
    };
    reap(start + dead_kept);
    CHECK((forgotten == 0 && view.dead() == 1));
    reap(start + dead_kept + 1s);
    CHECK((forgotten == 1 && view.dead() == 0 && view.find(NodeId{1}) == nullptr));
    CHECK(*view.tombstone_of(NodeId{1}) == Claim{4, Standing::down});
    reap(start + dead_kept + tombstone_kept + 2s);
    CHECK(view.graves().empty());
    CHECK(view.live() == 1);
}

TEST_CASE("view: a member costs less than 100 bytes beside its records") {
    Pool pool;
    View view{pool.records.view_key(), 1};
    for (std::uint64_t id = 1; id <= 5000; ++id) {
        view.add(pool.alive(id, 1), start);
    }
    CHECK(view.bytes() / 5000 <= 100);
}

namespace {

/// What one side of a sync would be told; both by messages alone.
struct Side {
    explicit Side(Pool& pool) : view{pool.records.view_key(), 9} {}
    View view;
};

/// Plays tree and leaf between two views until nothing is asked; gives (ids a lacks, ids b lacks).
std::pair<std::set<NodeId>, std::set<NodeId>> differences(const View& a, const View& b,
                                                          std::size_t& datagrams) {
    std::set<NodeId> a_lacks;
    std::set<NodeId> b_lacks;
    struct Message {
        bool to_b;
        proto::DatagramBody body;
    };
    std::vector<Message> wire;
    Message first{true, {}};
    first.body.kind = proto::DatagramKind::tree;
    first.body.trees.push_back(tree_of(a, {}));
    wire.push_back(first);
    while (!wire.empty()) {
        const auto message = wire.back();
        wire.pop_back();
        ++datagrams;
        const auto& here = message.to_b ? b : a;
        if (message.body.kind == proto::DatagramKind::tree) {
            std::vector<TreePlace> deeper;
            std::vector<TreePlace> leaves;
            for (const auto& node : message.body.trees) {
                compare_tree(here, node, deeper, leaves);
            }
            for (const auto place : deeper) {
                Message answer{!message.to_b, {}};
                answer.body.kind = proto::DatagramKind::tree;
                answer.body.trees.push_back(tree_of(here, place));
                wire.push_back(answer);
            }
            for (std::size_t at = 0; at < leaves.size();) {
                Message answer{!message.to_b, {}};
                at += pack_leaves(here, std::span{leaves}.subspan(at), 1094, answer.body);
                wire.push_back(answer);
            }
            continue;
        }
        std::vector<NodeId> send;
        std::vector<NodeId> want;
        for (const auto& leaf : message.body.leaves) {
            compare_leaf(here, {leaf.depth, leaf.prefix},
                         std::span{message.body.briefs}.subspan(leaf.first, leaf.count), send, want,
                         1000);
        }
        auto& here_lacks = message.to_b ? b_lacks : a_lacks;
        auto& there_lacks = message.to_b ? a_lacks : b_lacks;
        here_lacks.insert(want.begin(), want.end());
        there_lacks.insert(send.begin(), send.end());
    }
    return {a_lacks, b_lacks};
}

} // namespace

TEST_CASE("sync: the tree finds exactly the members in which two views differ") {
    for (const std::uint64_t members : {3U, 40U, 2000U}) {
        Pool pool;
        Side a{pool};
        Side b{pool};
        for (std::uint64_t id = 1; id <= members; ++id) {
            a.view.add(pool.alive(id, 3), start);
            b.view.add(pool.alive(id, 3), start);
        }
        std::size_t datagrams = 0;
        CHECK(differences(a.view, b.view, datagrams).first.empty());
        a.view.add(pool.alive(members + 1, 1), start);                      // b lacks it
        b.view.set_alive(*b.view.find(NodeId{1}), pool.alive(1, 4), start); // a lacks it
        a.view.set_status(*a.view.find(NodeId{2}), pool.records.keep_status(NodeId{2}, 8, "s"));
        b.view.set_state(*b.view.find(NodeId{3}), {3, Standing::down}, start); // a lacks it
        datagrams = 0;
        const auto [a_lacks, b_lacks] = differences(a.view, b.view, datagrams);
        CAPTURE(members, datagrams);
        CHECK(a_lacks == std::set<NodeId>{NodeId{1}, NodeId{3}});
        CHECK(b_lacks == std::set<NodeId>{NodeId{2}, NodeId{members + 1}});
        CHECK(datagrams <= 14); // by the difference, not by the size
    }
}

TEST_CASE("sync: a grave keeps its member from coming back, a leaf fits whatever it holds") {
    Pool pool;
    Side a{pool};
    Side b{pool};
    a.view.add(pool.alive(1, 3), start);
    b.view.bury(NodeId{1}, {3, Standing::left}, start);
    for (std::uint64_t id = 100; id < 400; ++id) {
        auto& entry = b.view.add(pool.alive(id, 3), start + std::chrono::seconds{id});
        b.view.set_state(entry, {3, Standing::down}, start + std::chrono::seconds{id});
    }
    const TreePlace root{};
    proto::DatagramBody body;
    CHECK(pack_leaves(b.view, std::span{&root, 1}, 1094, body) == 1);
    CHECK(body.briefs.size() >= 30);
    CHECK(body.briefs.front().id == NodeId{399}); // newest first
    std::array<char, proto::gossip_plain_bytes_max> bytes{};
    proto::GossipWriter writer{bytes};
    writer.begin({NodeId{5}, 0xFFFFFFFF, 0xFFFFFFFF, 0xFFFFFFFF, 1U << 30U, 0}, body);
    std::vector<NodeId> send;
    std::vector<NodeId> want;
    const proto::Brief alive_there{NodeId{1}, 3, Standing::alive, 0};
    compare_leaf(b.view, root, std::span{&alive_there, 1}, send, want, 100);
    CHECK(want.empty());
    const proto::Brief risen{NodeId{1}, 4, Standing::alive, 0};
    compare_leaf(b.view, root, std::span{&risen, 1}, send, want, 100);
    CHECK(want == std::vector{NodeId{1}});
}

TEST_CASE("pages: every record once, in one order, from any cursor") {
    Pool pool;
    Side a{pool};
    std::set<NodeId> all;
    for (std::uint64_t id = 1; id <= 300; ++id) {
        auto& entry = a.view.add(pool.alive(id, 3), start);
        all.insert(NodeId{id});
        if (id % 7 == 0) {
            a.view.set_state(entry, {3, Standing::down}, start);
        }
        if (id % 3 == 0) {
            a.view.set_status(entry,
                              pool.records.keep_status(NodeId{id}, 1, std::string(200, 's')));
        }
    }
    PagePlan plan;
    std::uint64_t cursor = 0;
    std::set<NodeId> told;
    std::size_t rounds = 0;
    do {
        plan_pages(a.view, cursor, pages_max, 1094, plan);
        REQUIRE(!plan.pages.empty());
        for (const auto& page : plan.pages) {
            std::size_t bytes = 2;
            for (auto at = page.first; at < page.last; ++at) {
                CHECK(told.insert(plan.items[at].entry->id()).second);
                bytes += plan.items[at].bytes;
            }
            CHECK(bytes <= 1094);
        }
        cursor = plan.pages.back().next;
        REQUIRE(++rounds < 50);
    } while (cursor != 0);
    CHECK(told == all);
}

TEST_CASE("joiner: three at a time, ever more rarely, until somebody answers; then page by page") {
    Random random{5};
    const NetAddress own{{10, 0, 0, 1}, 1, 4};
    std::vector<NetAddress> seeds;
    for (std::uint8_t i = 1; i <= 5; ++i) {
        seeds.push_back({{10, 0, 0, i}, 1, 4});
    }
    Joiner joiner{256, 200ms};
    joiner.ask(start, seeds, own);
    std::vector<Joiner::Ask> asks;
    joiner.due(start, random, true, asks);
    REQUIRE(asks.size() == 3);
    CHECK((asks[0].to == seeds[1] && asks[2].to == seeds[3])); // itself is skipped
    Duration last{};
    auto now = start;
    for (int i = 0; i < 9; ++i) {
        const auto wait = joiner.next_due(true) - now;
        CHECK(wait >= last / 2);
        CHECK(wait <= 38s);
        last = wait;
        now += wait;
        asks.clear();
        joiner.due(now, random, true, asks);
        CHECK(asks.size() == 3);
    }
    CHECK(last >= 22s);
    CHECK(joiner.page(now, seeds[2], 500, 1)); // the first answer
    CHECK_FALSE(joiner.is_asking());
    CHECK_FALSE(joiner.page(now, seeds[2], 900, 0));
    asks.clear();
    joiner.due(now, random, false, asks); // what came is not verified yet
    CHECK(asks.empty());
    joiner.due(now, random, true, asks);
    REQUIRE(asks.size() == 1);
    CHECK((asks[0].page && asks[0].cursor == 900 && asks[0].to == seeds[2]));
    for (int i = 0; i < 3; ++i) {
        now += 200ms;
        joiner.due(now, random, true, asks);
    }
    CHECK(joiner.wants_another());
    joiner.read_from(now, seeds[4]);
    asks.clear();
    joiner.due(now, random, true, asks);
    REQUIRE(asks.size() == 1);
    CHECK((asks[0].to == seeds[4] && asks[0].cursor == 900));
    joiner.page(now, seeds[4], 0, 0);
    CHECK(joiner.next_due(true) == never);
}

TEST_CASE("joiner: from one that is busy at once to another, eight times; then it waits") {
    Random random{5};
    const NetAddress own{{10, 0, 0, 1}, 1, 4};
    const auto address = [](std::uint8_t i) { return NetAddress{{10, 0, 0, i}, 1, 4}; };
    Joiner joiner{256, 200ms};
    const std::array seed{address(2)};
    joiner.ask(start, seed, own);
    std::vector<Joiner::Ask> asks;
    joiner.due(start, random, true, asks);
    REQUIRE(asks.size() == 1);
    CHECK(joiner.awaits(address(77))); // perhaps by way of another address
    for (std::uint8_t hop = 0; hop < 8; ++hop) {
        const std::array others{own, address(static_cast<std::uint8_t>(10 + hop)),
                                address(static_cast<std::uint8_t>(50 + hop))};
        joiner.busy(start, 90ms, others, own);
        CHECK(joiner.next_due(true) == start);
        asks.clear();
        joiner.due(start, random, true, asks);
        REQUIRE(asks.size() == 1); // it alone
        CHECK((!asks[0].page && asks[0].to == others[1]));
    }
    const std::array more{address(99)};
    joiner.busy(start, 90ms, more, own);
    CHECK(joiner.next_due(true) == start + 90ms);
    asks.clear();
    joiner.due(start + 90ms, random, true, asks);
    CHECK(asks.size() == 3);
    joiner.busy(start + 90ms, 90ms, more, own); // known by now
    CHECK(joiner.next_due(true) == start + 180ms);
    // While it reads: it reads on from the other.
    CHECK(joiner.page(start + 100ms, address(50), 500, 0));
    CHECK(joiner.awaits(address(50)));
    CHECK_FALSE(joiner.awaits(address(77)));
    const std::array other{address(120)};
    joiner.busy(start + 100ms, 90ms, other, own);
    asks.clear();
    joiner.due(start + 100ms, random, true, asks);
    REQUIRE(asks.size() == 1);
    CHECK((asks[0].page && asks[0].to == address(120) && asks[0].cursor == 500));
}

TEST_CASE("joiner: a round ends where it began, and who tells nothing is asked no more") {
    Random random{5};
    const NetAddress one{{10, 0, 0, 2}, 1, 4};
    const NetAddress other{{10, 0, 0, 3}, 1, 4};
    Joiner joiner{256, 200ms};
    std::vector<Joiner::Ask> asks;
    const auto asked = [&] {
        asks.clear();
        joiner.due(start, random, true, asks);
        return asks.size() == 1 && asks[0].page ? asks[0].cursor : 0;
    };
    joiner.read_round(start, one, 700);
    CHECK(joiner.is_round());
    CHECK(asked() == 700);
    CHECK_FALSE(joiner.page(start, one, 900, 0));
    CHECK(asked() == 900);
    CHECK_FALSE(joiner.page(start, one, 0, 0)); // the end: from the beginning on
    asks.clear();
    joiner.due(start, random, true, asks);
    REQUIRE(asks.size() == 1);
    CHECK((asks[0].page && asks[0].cursor == 0));
    joiner.told_nothing(start, other); // it was not asked
    CHECK_FALSE(joiner.wants_another());
    joiner.told_nothing(start, one);
    CHECK(joiner.wants_another());
    joiner.read_from(start, other);
    CHECK_FALSE(joiner.page(start, other, 699, 0));
    CHECK(joiner.is_paging());
    CHECK_FALSE(joiner.page(start, other, 700, 0));
    CHECK_FALSE(joiner.is_paging());
    // Cursors without end: 4096 asks, and no more.
    joiner.read_round(start, one, 1);
    std::size_t count = 0;
    for (std::uint64_t next = 2; next < 10'000 && joiner.is_paging(); ++next) {
        count += asked() != 0 ? 1U : 0U;
        joiner.page(start, one, next, 0);
    }
    CHECK(count == 4096);
}

TEST_CASE("ids: whatever is put in and taken out, all of it is found and nothing else") {
    Random random{11};
    IdMap<std::uint64_t> map{77};
    std::map<std::uint64_t, std::uint64_t> expected;
    for (int i = 0; i < 20'000; ++i) {
        const auto id = 1 + random.below(i < 15'000 ? 500 : 40);
        if (random.below(2) == 0) {
            expected[id] = map.put(NodeId{id}) = random.next();
        } else {
            CHECK(map.erase(NodeId{id}) == (expected.erase(id) == 1));
        }
        REQUIRE(map.size() == expected.size());
        const auto probe = 1 + random.below(500);
        const auto* const found = map.find(NodeId{probe});
        REQUIRE((found != nullptr) == expected.contains(probe));
        REQUIRE((found == nullptr || *found == expected[probe]));
    }
    for (const auto& [id, value] : expected) {
        REQUIRE((map.find(NodeId{id}) != nullptr && *map.find(NodeId{id}) == value));
    }
    for (const auto& [id, value] : expected) {
        map.erase(NodeId{id});
    }
    CHECK(map.bytes() == 0); // a storm's room is given back
}

// --- News ---------------------------------------------------------------------------------------

namespace {

News suspect_of(std::uint64_t id, std::uint64_t by, std::uint64_t incarnation = 1) {
    News news;
    news.kind = NewsKind::suspect;
    news.id = NodeId{id};
    news.by = NodeId{by};
    news.incarnation = incarnation;
    news.since = start;
    return news;
}
News hint_of(std::uint64_t key, std::uint64_t version = 1) {
    News news;
    news.kind = NewsKind::hint;
    news.topic = 1;
    news.key = key;
    news.version = version;
    return news;
}

/// The news of one datagram to `to`; `taken`: bytes of it that are used already.
std::vector<NewsItem> fill(NewsQueue& queue, NodeId to = NodeId{99}, std::size_t n = 16) {
    static std::array<char, proto::gossip_plain_bytes_max> bytes;
    static proto::Datagram read;
    proto::GossipWriter writer{bytes};
    proto::DatagramBody body;
    writer.begin({NodeId{5}, 1, 1, 1, 1, 0}, body);
    queue.fill(writer, to, start + 250ms, n);
    REQUIRE(proto::decode_gossip({bytes.data(), writer.finish()}, read) == proto::Decoded::ok);
    return read.news;
}

} // namespace

TEST_CASE("news: so many sends by the fleet's size, then no more") {
    CHECK(sends_of(NewsClass::members, 1) == 4);
    CHECK(sends_of(NewsClass::members, 9) == 4);
    CHECK(sends_of(NewsClass::members, 10) == 8);
    CHECK(sends_of(NewsClass::members, 99) == 8);
    CHECK(sends_of(NewsClass::statuses, 10'000) == 20);
    CHECK(sends_of(NewsClass::hints, 64) == 12);
    CHECK(sends_of(NewsClass::hints, 9) == 8);
    CHECK(sends_of(NewsClass::hints, 16384) == 21);
    NewsQueue queue{Limits{}};
    queue.put(suspect_of(1, 2));
    for (int i = 0; i < 8; ++i) {
        REQUIRE(fill(queue).size() == 1);
    }
    CHECK(fill(queue).empty());
    CHECK(queue.empty());
}

TEST_CASE("news: suspicions of one incarnation stand side by side, anything newer replaces them") {
    NewsQueue queue{Limits{}};
    queue.put(suspect_of(1, 2));
    queue.put(suspect_of(1, 3));
    queue.put(suspect_of(1, 3));
    queue.put(suspect_of(7, 3));
    CHECK(queue.size(NewsClass::members) == 3);
    CHECK(fill(queue)[0].age_ms == 250); // with the time it was held
    queue.put(suspect_of(1, 4, 2));
    CHECK(queue.size(NewsClass::members) == 2);
    auto down = suspect_of(1, 4, 2);
    down.kind = NewsKind::down;
    queue.put(down);
    CHECK(queue.size(NewsClass::members) == 2);
    const auto told = fill(queue);
    CHECK((told[0].kind == NewsKind::down && told[0].id == NodeId{1})); // no sends yet: first
}

TEST_CASE("news: fewest sends first, newest first among equals, never back to where it came from") {
    NewsQueue queue{Limits{}};
    for (std::uint64_t key = 1; key <= 100; ++key) {
        queue.put(hint_of(key));
    }
    const auto first = fill(queue);
    REQUIRE(first.size() == 100);
    CHECK((first.front().key == 100 && first.back().key == 1));
    queue.put(hint_of(200));
    CHECK(fill(queue).front().key == 200);
    queue.put(hint_of(100, 2)); // newer: begins anew
    const auto next = fill(queue);
    CHECK((next.front().key == 100 && next.front().version == 2));
    NewsQueue one{Limits{}};
    auto news = hint_of(1);
    news.from = NodeId{42};
    one.put(news);
    CHECK(fill(one, NodeId{42}).empty());
    CHECK(fill(one, NodeId{43}).size() == 1);
    // Of two members there is nobody else to tell: it does not stay for ever.
    for (int i = 0; i < 8; ++i) {
        CHECK(fill(one, NodeId{42}, 2).empty());
    }
    CHECK(one.empty());
}

TEST_CASE("news: what digests cover is told no more once they agree, the rest is") {
    Pool pool;
    NewsQueue queue{Limits{}};
    queue.put(suspect_of(1, 2));
    queue.put(hint_of(3));
    News alive;
    alive.kind = NewsKind::alive;
    alive.id = NodeId{9};
    alive.record = pool.alive(9, 1);
    queue.put(alive);
    News status;
    status.kind = NewsKind::status;
    status.id = NodeId{9};
    status.status = pool.records.keep_status(NodeId{9}, 1, "up");
    queue.put(status);
    CHECK(fill(queue).size() == 4);
    queue.drop_digested();
    const auto told = fill(queue);
    REQUIRE(told.size() == 2);
    CHECK((told[0].kind == NewsKind::suspect && told[1].kind == NewsKind::hint));
    alive = News{};
    status = News{};
}

TEST_CASE("news: a storm of one class starves no other, and no queue passes its limit") {
    Limits limits;
    limits.news_members = 300;
    limits.news_hints = 5;
    NewsQueue queue{limits};
    for (std::uint64_t id = 1; id <= 1000; ++id) {
        queue.put(suspect_of(id + 1'000'000'000'000ULL, id + 1'000'000'000'000ULL));
    }
    CHECK(queue.size(NewsClass::members) == 300);
    CHECK(queue.dropped() == 700);
    for (std::uint64_t key = 1; key <= 5; ++key) {
        queue.put(hint_of(key));
    }
    const auto told = fill(queue);
    CHECK(std::ranges::count(told, NewsKind::hint, &NewsItem::kind) == 5);
    CHECK(std::ranges::count(told, NewsKind::suspect, &NewsItem::kind) > 25);
    std::set<NodeId> once; // no item twice in one datagram
    for (const auto& item : told) {
        CHECK((item.kind == NewsKind::hint || once.insert(item.id).second));
    }
}
