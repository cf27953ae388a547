// The client of the admin socket against a listener that says what a test wants it to say.

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include <catch2/catch.hpp>

#include "coordinator/client/http_reader.h"
#include "coordinator/client/unix_http_client.h"
#include "proto/base/unique_fd.h"
#include "tests/unit/temporary_folder.h"

using namespace jackdaw;
using namespace jackdaw::cli;
using proto::Json;

namespace {

/// Takes one connection, reads a request's head (and its body, by length), writes `says`, and
/// closes; with `holds` it keeps the connection until the test has ended.
class Listener {
public:
    Listener(const std::string& path, std::string says, bool holds = false)
        : says_{std::move(says)}, holds_{holds} {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        REQUIRE(path.size() < sizeof address.sun_path);
        std::ranges::copy(path, address.sun_path);
        fd_ = UniqueFd{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
        REQUIRE(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) ==
                0);
        REQUIRE(::listen(fd_.get(), 4) == 0);
        thread_ = std::thread{[this] { serve(); }};
    }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    ~Listener() {
        ::shutdown(fd_.get(), SHUT_RDWR); // ends an accept() that nobody came to
        thread_.join();
    }
    /// Joins, so that what was heard is whole.
    std::string heard() {
        thread_.join();
        thread_ = std::thread{[] {}};
        return heard_;
    }

private:
    void serve() {
        connection_ = UniqueFd{::accept(fd_.get(), nullptr, nullptr)};
        if (!connection_) {
            return;
        }
        char buffer[4096];
        while (!whole()) {
            const auto size = ::recv(connection_.get(), buffer, sizeof buffer, 0);
            if (size <= 0) {
                return;
            }
            heard_.append(buffer, static_cast<std::size_t>(size));
        }
        std::string_view left = says_;
        while (!left.empty()) {
            const auto size = ::send(connection_.get(), left.data(), left.size(), MSG_NOSIGNAL);
            if (size <= 0) {
                return;
            }
            left.remove_prefix(static_cast<std::size_t>(size));
        }
        if (!holds_) {
            connection_.reset();
        }
    }
    [[nodiscard]] bool whole() const {
        const auto head = heard_.find("\r\n\r\n");
        const auto length = heard_.find("Content-Length: ");
        return head != std::string::npos && length != std::string::npos &&
               heard_.size() >= head + 4 + std::stoul(heard_.substr(length + 16));
    }

    std::string says_, heard_;
    bool holds_;
    UniqueFd fd_, connection_;
    std::thread thread_;
};

struct Scene {
    test::TemporaryFolder folder;
    std::string path = (folder.path() / "s").string();
    std::unique_ptr<ApiClient> client = make_unix_client(path);

    static Deadline in(std::chrono::milliseconds span) {
        return std::chrono::steady_clock::now() + span;
    }
};

} // namespace

TEST_CASE_METHOD(Scene, "a request carries its body and key, and the answer comes back whole") {
    Listener listener{path, "HTTP/1.1 202 Accepted\r\nContent-Length: 8\r\n\r\n{\"a\": 1}"};
    const auto answer =
        client->call({"POST", "/v1/users?host=%25", Json{{"name", "a\"b"}}, "key-1"},
                     in(std::chrono::seconds{10}));
    REQUIRE(answer);
    CHECK(answer->status == 202);
    CHECK(answer->body.at("a") == 1);
    const auto heard = listener.heard();
    CHECK(heard.starts_with("POST /v1/users?host=%25 HTTP/1.1\r\n"));
    CHECK(heard.find("\r\nIdempotency-Key: key-1\r\n") != std::string::npos);
    CHECK(heard.ends_with("\r\n\r\n{\"name\":\"a\\\"b\"}"));
}

TEST_CASE_METHOD(Scene, "a list may be longer than anything that is sent to an agent") {
    const std::string text(3 * proto::json_bytes_max, 'x');
    Listener listener{path, "HTTP/1.1 200 OK\r\n\r\n[\"" + text + "\"]"};
    const auto answer =
        client->call({"GET", "/v1/events?limit=5000", nullptr, {}}, in(std::chrono::seconds{30}));
    REQUIRE(answer);
    CHECK(answer->body.at(0) == text);
}

TEST_CASE_METHOD(
    Scene,
    "nobody there, a socket that is closed early, and silence are three different failures") {
    const auto nobody = client->call({"GET", "/", nullptr, {}}, in(std::chrono::seconds{10}));
    CHECK(nobody.error().code() == Errc::unavailable);
    CHECK(nobody.error().hint().find("start this machine's agent") != std::string::npos);
    {
        Listener early{path, "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"a"};
        CHECK(
            client->call({"GET", "/", nullptr, {}}, in(std::chrono::seconds{10})).error().code() ==
            Errc::unavailable);
    }
    std::filesystem::remove(path);
    Listener silent{path, "", true};
    CHECK(
        client->call({"GET", "/", nullptr, {}}, in(std::chrono::milliseconds{50})).error().code() ==
        Errc::deadline);
}

TEST_CASE_METHOD(Scene, "an answer that is no JSON, or too long, is E-PROTOCOL") {
    {
        Listener garbage{path, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n{]["};
        CHECK(client->call({"GET", "/", nullptr, {}}, in(std::chrono::seconds{10})).error().id() ==
              Code::protocol);
    }
    std::filesystem::remove(path);
    {
        Listener endless{path,
                         "HTTP/1.1 200 OK\r\n\r\n" + std::string(http_body_bytes_max + 1, 'x')};
        CHECK(client->call({"GET", "/", nullptr, {}}, in(std::chrono::seconds{30})).error().id() ==
              Code::protocol);
    }
}

TEST_CASE_METHOD(Scene, "events are followed until the sink has enough, a refusal is its error") {
    const std::string event = "event: operation\ndata: {\"n\": 1}\n\n";
    {
        Listener listener{path,
                          "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: hi\n\n" +
                              event + event + event,
                          true};
        int seen = 0;
        const auto ended = client->stream(
            "/v1/operations/x/events",
            [&](std::string_view name, const Json& data) {
                CHECK(name == "operation");
                seen += data.at("n").get<int>();
                return seen < 2;
            },
            in(std::chrono::seconds{10}));
        CHECK(ended);
        CHECK(seen == 2);
    }
    std::filesystem::remove(path);
    {
        Listener garbage{path, "HTTP/1.1 200 OK\r\n\r\nevent: operation\ndata: {]\n\n"};
        const auto broken = client->stream(
            "/x", [](std::string_view, const Json&) { return true; }, in(std::chrono::seconds{10}));
        REQUIRE_FALSE(broken);
        CHECK(broken.error().id() == Code::protocol);
    }
    std::filesystem::remove(path);
    const std::string body =
        R"({"error":{"code":"E-NOT-FOUND","message":"m","cause":"c","hint":"h"}})";
    Listener listener{path, "HTTP/1.1 404 N\r\nContent-Length: " + std::to_string(body.size()) +
                                "\r\n\r\n" + body};
    const auto refused = client->stream(
        "/x", [](std::string_view, const Json&) { return true; }, in(std::chrono::seconds{10}));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().id() == Code::not_found);
}
