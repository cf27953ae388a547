// HTTP over real sockets: what a hostile, broken or merely odd client gets, and that others are
// served beside it.
#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>

#include <catch2/catch.hpp>
#include <fmt/format.h>

#include "agent/api/http_server.h"
#include "agent/api/openapi.h"
#include "tests/unit/served_agent.h"
#include "tests/unit/temporary_folder.h"

using namespace jackdaw;
using agent::HttpAudience;
using agent::HttpLimits;
using agent::Json;

namespace {

constexpr int patience_ms = 30'000;

struct Answer {
    int status = 0; ///< 0: the connection was closed without one
    std::string head, body;
    [[nodiscard]] Json error() const { return Json::parse(body).at("error"); }
};

/// A caller's end of a connection.
class Peer {
public:
    explicit Peer(UniqueFd fd) : fd_{std::move(fd)} {}

    /// False: the server has closed.
    bool say(std::string_view bytes) const {
        while (!bytes.empty()) {
            const auto put = ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (put <= 0) {
                return false;
            }
            bytes.remove_prefix(static_cast<std::size_t>(put));
        }
        return true;
    }
    void half_close() const { ::shutdown(fd_.get(), SHUT_WR); }
    /// One answer with a Content-Length, or what came until the end.
    Answer hear(bool is_head = false) {
        Answer answer;
        auto end = std::string::npos;
        while ((end = came_.find("\r\n\r\n")) == std::string::npos) {
            if (!more()) {
                return answer;
            }
        }
        answer.head = came_.substr(0, end + 4);
        answer.status = std::stoi(answer.head.substr(9, 3));
        came_.erase(0, end + 4);
        const auto at = answer.head.find("Content-Length: ");
        if (at == std::string::npos || is_head) {
            return answer;
        }
        const auto size = std::stoul(answer.head.substr(at + 16));
        while (came_.size() < size && more()) {
        }
        answer.body = came_.substr(0, size);
        came_.erase(0, std::min(size, came_.size()));
        return answer;
    }
    Answer ask(std::string_view request) {
        say(request);
        return hear();
    }
    /// All that comes until the server closes.
    std::string rest() {
        while (more()) {
        }
        return std::exchange(came_, {});
    }
    /// Whether the server has closed it, without anything more to read.
    bool closed() { return !more() && came_.empty(); }

private:
    bool more() {
        pollfd wait{fd_.get(), POLLIN, 0};
        if (::poll(&wait, 1, patience_ms) <= 0) {
            FAIL("no answer");
        }
        char bytes[65536];
        const auto got = ::recv(fd_.get(), bytes, sizeof bytes, 0);
        if (got <= 0) {
            return false;
        }
        came_.append(bytes, static_cast<std::size_t>(got));
        return true;
    }
    UniqueFd fd_;
    std::string came_;
};

/// An agent's API on a socket, with a thread for its loop.
class Served : public jackdaw::testing::ServedAgent {
public:
    explicit Served(HttpAudience audience = HttpAudience::admin,
                    std::optional<HttpLimits> limits = {}, std::uint32_t database_uid = 99'999) {
        server_.emplace(io_.get_executor(),
                        audience == HttpAudience::pollers ? listen_tcp() : listen_unix(), audience,
                        agent::HttpServer::Parts{router_, hub_, pool_, database_uid},
                        limits.value_or(HttpLimits::of(audience)));
        serve(server_->run());
    }
    ~Served() { end(); }

    [[nodiscard]] Peer connect() const {
        UniqueFd fd{::socket(address_.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        REQUIRE(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address_), size_) == 0);
        return Peer{std::move(fd)};
    }
    [[nodiscard]] Answer ask(std::string_view request) const { return connect().ask(request); }
    /// That somebody else is served.
    void check_served() const {
        CHECK(ask("GET /v1/version HTTP/1.1\r\nHost: x\r\n\r\n").status == 200);
    }

private:
    UniqueFd listen_unix() {
        sockaddr_un own{};
        own.sun_family = AF_UNIX;
        std::strncpy(own.sun_path, (folder_.path() / "s").c_str(), sizeof own.sun_path - 1);
        return listen_at(&own, sizeof own);
    }
    UniqueFd listen_tcp() {
        sockaddr_in own{};
        own.sin_family = AF_INET;
        own.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        return listen_at(&own, sizeof own);
    }
    UniqueFd listen_at(const void* own, socklen_t size) {
        UniqueFd fd{
            ::socket(static_cast<const sockaddr*>(own)->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        REQUIRE(::bind(fd.get(), static_cast<const sockaddr*>(own), size) == 0);
        REQUIRE(::listen(fd.get(), SOMAXCONN) == 0);
        size_ = sizeof address_;
        REQUIRE(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address_), &size_) == 0);
        return fd;
    }

    test::TemporaryFolder folder_;
    sockaddr_storage address_{};
    socklen_t size_ = 0;
    std::optional<agent::HttpServer> server_;
};

std::string post(std::string_view headers, std::string_view body = {}) {
    return fmt::format("POST /v1/databases HTTP/1.1\r\nHost: x\r\n{}\r\n{}", headers, body);
}

} // namespace

TEST_CASE("requests that are wrong as HTTP: the status, an error with code and hint, and the end") {
    Served served;
    const std::string small_body(10, 'x');
    const struct {
        std::string request;
        int status;
    } cases[] = {
        {"nonsense\r\n\r\n", 400},
        {"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", 400},
        {"GET /v1/version HTTP/9.9\r\n\r\n", 400},
        {"GET /v1/ver\x01sion HTTP/1.1\r\n\r\n", 400},
        {"GET /v1/version HTTP/1.1\r\nX: " + std::string(20'000, 'a') + "\r\n\r\n", 431},
        {"GET /v1/version?" + std::string(20'000, 'a') + " HTTP/1.1\r\n\r\n", 431},
        {"GET /v1/version HTTP/1.1\r\n" + std::string(20'000, 'a'), 431},
        {post("Content-Length: 10000000\r\n"), 413},
        {post("Content-Length: 99999999999999999999\r\n"), 400},
        {post("Content-Length: -1\r\n"), 400},
        {post("Content-Length: 2\r\nContent-Length: 3\r\n", "{}"), 400},
        {post("Content-Length: 2\r\nTransfer-Encoding: chunked\r\n", "{}"), 400},
        {post("Transfer-Encoding: chunked\r\n", "nonsense\r\n"), 400},
        {post("Transfer-Encoding: chunked\r\n", "ffffffffffffffff\r\n"), 413},
        {post("Transfer-Encoding: chunked\r\n", "fffffffffffffffff\r\n"), 400},
        {post("Transfer-Encoding: chunked\r\n", "2\r\n{}XXXX\r\n\r\n"), 400},
        {post("Expect: a miracle\r\nContent-Length: 2\r\n", "{}"), 417},
    };
    for (const auto& one : cases) {
        INFO(one.request.substr(0, 100));
        auto peer = served.connect();
        const auto answer = peer.ask(one.request);
        CHECK(answer.status == one.status);
        CHECK(answer.head.find("Connection: close\r\n") != std::string::npos);
        CHECK(answer.error().at("code").get<std::string>().starts_with("E-"));
        CHECK_FALSE(answer.error().at("hint").get<std::string>().empty());
        CHECK(peer.closed());
    }
    served.check_served();
}

TEST_CASE("a body that is not said to be JSON is refused, and the connection goes on") {
    Served served;
    auto peer = served.connect();
    for (const auto* headers :
         {"Content-Type: text/plain\r\n", "Content-Type: application/x-www-form-urlencoded\r\n",
          "Content-Type: application/xml; charset=utf-8\r\n", "Content-Encoding: gzip\r\n"}) {
        INFO(headers);
        const auto answer = peer.ask(post(fmt::format("{}Content-Length: 2\r\n", headers), "{}"));
        CHECK(answer.status == 415);
        CHECK_FALSE(answer.error().at("hint").get<std::string>().empty());
    }
    for (const auto* headers :
         {"", "Content-Type: application/json\r\n",
          "content-type: Application/JSON; charset=utf-8\r\n",
          "Content-Type: application/merge-patch+json\r\n", "Content-Encoding: identity\r\n"}) {
        INFO(headers);
        // It gets as far as the names: there is no database yet.
        CHECK(peer.ask(post(fmt::format("{}Content-Length: 2\r\n", headers), "{}")).status != 415);
    }
}

TEST_CASE("odd but right: absolute targets, HTTP/1.0, Expect, chunks, pipelines, HEAD") {
    Served served;
    auto peer = served.connect();
    CHECK(peer.ask("GET http://db1.example/v1/version HTTP/1.1\r\nHost: x\r\n\r\n").status == 200);
    CHECK(peer.ask("GET http://db1.example HTTP/1.1\r\nHost: x\r\n\r\n").status == 404);
    CHECK(peer.ask("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n").status == 400);

    const auto old = peer.ask("GET /v1/version HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(old.status == 200);
    CHECK(old.head.find("Connection: keep-alive\r\n") != std::string::npos);

    peer.say(post("Expect: 100-continue\r\nContent-Length: 2\r\n"));
    CHECK(peer.hear().status == 100);
    CHECK(peer.ask("{}").status >= 400); // no instance, or no name; but it was read
    CHECK(
        peer.ask(post("Transfer-Encoding: chunked\r\n", "1\r\n{\r\n1\r\n}\r\n0\r\n\r\n")).status ==
        peer.ask(post("Content-Length: 2\r\n", "{}")).status);

    peer.say("GET /v1/version HTTP/1.1\r\n\r\nGET /v1/nothing HTTP/1.1\r\n\r\n\x01garbage\r\n\r\n");
    CHECK(peer.hear().status == 200);
    CHECK(peer.hear().status == 404);
    CHECK(peer.hear().status == 400);
    CHECK(peer.closed());

    auto other = served.connect();
    other.say("HEAD /v1/version HTTP/1.1\r\n\r\n");
    const auto head = other.hear(true);
    CHECK(head.status == 200);
    CHECK(head.head.find("Content-Length: 0") == std::string::npos);
    CHECK(other.ask("GET /v1/version HTTP/1.1\r\n\r\n").status == 200); // nothing in between

    const auto last = served.ask("GET /v1/version HTTP/1.0\r\n\r\n");
    CHECK(last.status == 200);
    CHECK(last.head.find("Connection: close\r\n") != std::string::npos);
}

TEST_CASE("a whole request is answered to who has closed his half, half a one is refused") {
    Served served;
    auto peer = served.connect();
    peer.say("GET /v1/version HTTP/1.1\r\n\r\n");
    peer.half_close();
    CHECK(peer.hear().status == 200);
    CHECK(peer.closed());
    for (const auto* half :
         {"GET /v1/ver", "POST /v1/databases HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"}) {
        auto cut = served.connect();
        cut.say(half);
        cut.half_close();
        CHECK(cut.hear().status == 400);
        CHECK(cut.closed());
    }
    auto silent = served.connect();
    silent.half_close();
    CHECK(silent.closed());
}

TEST_CASE("escapes and depth in the target and the body are refused by name") {
    Served served;
    auto peer = served.connect();
    for (const auto* target : {"/v1/members/a%00b", "/v1/members/%", "/v1/members/%zz", "/v1/%00",
                               "/1/2/3/4/5/6/7/8/9", "/v1/version?a=%00"}) {
        INFO(target);
        CHECK(peer.ask(fmt::format("GET {} HTTP/1.1\r\n\r\n", target)).status == 400);
    }
    for (const std::size_t depth : {10'000U, 400'000U}) {
        const auto deep = std::string(depth, '[') + std::string(depth, ']');
        const auto answer =
            peer.ask(post(fmt::format("Content-Length: {}\r\n", deep.size()), deep));
        CHECK(answer.status == 400);
        CHECK(answer.body.size() < 1024);
    }
    served.check_served();
}

TEST_CASE("half-sent requests in any number keep nobody out, and are told why they end") {
    auto limits = HttpLimits::of(HttpAudience::admin);
    limits.connections.connections_max = 20;
    Served served{HttpAudience::admin, limits};
    std::vector<Peer> flood;
    for (int i = 0; i < 100; ++i) {
        flood.push_back(served.connect());
        flood.back().say("GET /v1/version HTTP/1.1\r\nX: ");
        if (i % 10 == 0) {
            served.check_served();
        }
    }
    served.check_served();
    const auto answer = flood.front().hear();
    CHECK(answer.status == 503);
    CHECK(answer.error().at("code") == "E-BUSY");
    CHECK(flood.front().closed());
    flood.back().say("x\r\n\r\n"); // the youngest is still there, and may end its request
    CHECK(flood.back().hear().status == 200);
}

TEST_CASE("who is too slow is told so: with the head of a request, and with its body") {
    auto limits = HttpLimits::of(HttpAudience::admin);
    limits.connections.fresh_ms = 1;
    limits.connections.receiving_ms = 1;
    Served served{HttpAudience::admin, limits};
    auto head = served.connect();
    head.say("GET /v1/version HTT");
    auto body = served.connect();
    body.say(post("Content-Length: 5\r\n", "{"));
    for (auto* slow : {&head, &body}) {
        const auto answer = slow->hear();
        CHECK(answer.status == 408);
        CHECK(answer.error().at("code") == "E-DEADLINE");
        CHECK(slow->closed());
    }
}

TEST_CASE("who asks nothing more goes without a word that could be taken for the next answer") {
    auto limits = HttpLimits::of(HttpAudience::admin);
    limits.connections.idle_ms = 1;
    Served served{HttpAudience::admin, limits};
    auto idle = served.connect();
    CHECK(idle.ask("GET /v1/version HTTP/1.1\r\n\r\n").status == 200);
    CHECK(idle.closed());
}

TEST_CASE("bodies that are being sent are bounded together") {
    auto limits = HttpLimits::of(HttpAudience::admin);
    limits.connections.bytes_max = 4U << 20U;
    Served served{HttpAudience::admin, limits};
    std::vector<Peer> flood;
    for (int i = 0; i < 12; ++i) { // three times as much as there is room for
        flood.push_back(served.connect());
        flood.back().say(post("Content-Length: 1048576\r\n", std::string(1000, ' ')));
    }
    CHECK(flood.front().hear().status == 503);
    CHECK(served.ask(post("Content-Length: 2\r\n", "{}")).status != 503);
}

TEST_CASE("streams are bounded, and those who never read one keep nobody from the rest") {
    auto limits = HttpLimits::of(HttpAudience::admin);
    limits.connections.streams_max = 3;
    limits.connections.connections_max = 8;
    Served served{HttpAudience::admin, limits};
    (void)served.world.must_create();
    served.world.engine.hold("databases.create");
    const auto running = served.world.submit(
        "database.create", {{"request", {{"name", "more"}, {"charset", ""}, {"collation", ""}}}});
    REQUIRE(running);
    served.world.engine.wait_held();
    const auto request =
        fmt::format("GET /v1/operations/{}/events HTTP/1.1\r\n\r\n", running->operation.id);
    std::vector<Peer> streams;
    for (int i = 0; i < 3; ++i) {
        streams.push_back(served.connect());
        CHECK(streams.back().ask(request).head.find("text/event-stream") != std::string::npos);
    }
    auto peer = served.connect();
    const auto answer = peer.ask(request);
    CHECK(answer.status == 503);
    CHECK(answer.error().at("code") == "E-BUSY");
    peer.say("HEAD" + request.substr(3));
    CHECK(peer.hear(true).status == 405);
    std::vector<Peer> flood; // makes room among itself: the streams stay
    for (int i = 0; i < 20; ++i) {
        flood.push_back(served.connect());
        served.check_served();
    }
    streams.pop_back(); // the agent sees that within a second, although it has nothing to say
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds{patience_ms};
    do {
        REQUIRE(std::chrono::steady_clock::now() < until);
        peer = served.connect();
    } while (peer.ask(request).status == 503);
    served.world.engine.let_go();
    CHECK(served.world.wait_ended(running->operation.id).status == "done");
    served.tell_changed(running->operation.id);
    streams.push_back(std::move(peer));
    for (auto& stream : streams) {
        CHECK(stream.rest().find("\"status\":\"done\"") != std::string::npos);
    }
    CHECK(served.ask("GET /v1/instance HTTP/1.1\r\n\r\n").status == 200);
}

TEST_CASE("to find what a stream tells may take a while, and keeps nobody else waiting") {
    Served served;
    (void)served.world.must_create();
    served.world.engine.hold("databases.create");
    const auto running = served.world.submit(
        "database.create", {{"request", {{"name", "more"}, {"charset", ""}, {"collation", ""}}}});
    REQUIRE(running);
    served.world.engine.wait_held(); // the driver is not to be had
    auto slow = served.connect();
    slow.say("GET /v1/logs/error/stream HTTP/1.1\r\n\r\n");
    const auto began = std::chrono::steady_clock::now();
    CHECK(served.ask("GET /v1/instance HTTP/1.1\r\n\r\n").status == 200);
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds{3});
    served.world.engine.let_go();
    CHECK(slow.hear().status == 422); // this engine has no logs
    CHECK(slow.closed());
    CHECK(served.world.wait_ended(running->operation.id).status == "done");
}

TEST_CASE("the database's user is refused whatever it asks") {
    for (const auto audience : {HttpAudience::admin, HttpAudience::everyone}) {
        Served served{audience, {}, ::getuid()};
        for (const auto* request :
             {"GET /v1/version HTTP/1.1\r\n\r\n", "GET /healthz HTTP/1.1\r\n\r\n",
              "DELETE /v1/instance HTTP/1.1\r\n\r\n", "GET /v1/events/stream HTTP/1.1\r\n\r\n"}) {
            auto peer = served.connect();
            const auto answer = peer.ask(request);
            CHECK(answer.status == 403);
            CHECK(answer.error().at("code") == "E-NOT-ALLOWED");
            CHECK(peer.closed());
        }
    }
}

TEST_CASE("public.sock reads, changes nothing, and tells nothing that the tenant wrote") {
    Served served{HttpAudience::everyone};
    (void)served.world.must_create();
    auto peer = served.connect();
    for (const auto* target : {"/v1/instance", "/v1/databases", "/v1/users", "/v1/operations",
                               "/healthz", "/readyz", "/metrics"}) {
        INFO(target);
        CHECK(peer.ask(fmt::format("GET {} HTTP/1.1\r\n\r\n", target)).status == 200);
    }
    for (const auto& row : agent::Router::rows()) {
        std::string target{row.pattern};
        for (auto at = target.find('*'); at != std::string::npos; at = target.find('*')) {
            target.replace(at, 1, "app");
        }
        if (row.method == "GET" && !row.tenant_words) {
            continue;
        }
        INFO(row.method << " " << target);
        const auto answer = peer.ask(
            fmt::format("{} /v1/{} HTTP/1.1\r\nContent-Length: 2\r\n\r\n{{}}", row.method, target));
        CHECK(answer.status == 403);
        CHECK(answer.error().at("hint").get<std::string>().find("admin.sock") != std::string::npos);
    }
    CHECK(served.world.life().operations(100).size() == 1);
}

TEST_CASE("the listener for pollers has metrics and health by GET and HEAD, and nothing else") {
    Served served{HttpAudience::pollers};
    auto peer = served.connect();
    CHECK(peer.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status == 200);
    CHECK(peer.ask("GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").status == 503);
    const auto metrics = peer.ask("GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(metrics.status == 200);
    CHECK(metrics.body.ends_with("# EOF\n"));
    int polled = 0;
    const auto document = agent::openapi_document("0");
    for (const auto& [path, methods] : document.at("paths").items()) {
        if (path.starts_with("/v1/")) {
            continue;
        }
        INFO(path);
        const auto answer = peer.ask(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", path));
        const auto& told = methods.at("get").at("responses").at(std::to_string(answer.status));
        CHECK(answer.head.find("Content-Type: " + told.at("content").begin().key() + "\r\n") !=
              std::string::npos);
        ++polled;
    }
    CHECK(polled == 3);
    peer.say("HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK(peer.hear(true).status == 200);
    for (const auto* method : {"POST", "PUT", "DELETE", "OPTIONS", "PATCH"}) {
        for (const auto* target : {"/metrics", "/healthz", "/readyz"}) {
            const auto answer =
                peer.ask(fmt::format("{} {} HTTP/1.1\r\nHost: x\r\n\r\n", method, target));
            CHECK(answer.status == 405);
            CHECK(answer.head.find("Allow: GET, HEAD\r\n") != std::string::npos);
            CHECK(answer.error().at("code") == "E-INVALID");
        }
    }
    for (const auto* target : {"/", "/v1/instance", "/v1/version", "/v1/openapi.json", "/metricsx",
                               "/v1/events/stream", "/v1/../metrics", "*"}) {
        const auto answer = peer.ask(fmt::format("GET {} HTTP/1.1\r\nHost: x\r\n\r\n", target));
        CHECK(answer.status == 404);
        CHECK(answer.error().at("code") == "E-NOT-FOUND");
    }
}

TEST_CASE("one machine that floods the pollers' listener keeps another one's place") {
    Served served{HttpAudience::pollers};
    std::vector<Peer> flood;
    for (int i = 0; i < 600; ++i) {
        flood.push_back(served.connect());
        flood.back().say("GET /metrics HTTP");
    }
    CHECK(served.ask("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status == 200);
    CHECK(flood.front().hear().status == 503);
}
