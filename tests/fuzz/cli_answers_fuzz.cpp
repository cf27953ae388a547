// Arbitrary answers of an agent, or of who took its place, to the command line: every shape of
// proto, and the commands that show it to a person's terminal or to a program. The first byte
// chooses the command, the second the format; parts between lines of "%%" are the answers, a status
// (three digits) and a body; of a stream each is an event, of the kind that the status stands for.

#include <algorithm>
#include <array>
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include "coordinator/client/api_client.h"
#include "coordinator/commands/run.h"
#include "coordinator/render/table.h"
#include "proto/wire/datastore_json.h"
#include "proto/wire/health_json.h"
#include "proto/wire/shapes_json.h"
#include "tests/fuzz/parts.h"
#include "tests/fuzz/require.h"
#include "tests/unit/cli_fakes.h"

using namespace jackdaw;
using jackdaw::fuzz::between;
using jackdaw::fuzz::require;
using jackdaw::fuzz::take;
using proto::Json;

namespace {

std::string text_of(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

/// What was understood is understood again, and the same, from what we write.
template <class Shape>
void check_shape(const Json& json, Result<Shape> (*from)(const Json&)) {
    const auto shape = from(json);
    if (!shape) {
        require(shape.error().code() == Errc::invalid || shape.error().code() == Errc::corrupt);
        return;
    }
    const auto written = proto::to_json(*shape);
    const auto again = from(written);
    require(again.has_value());
    require(text_of(proto::to_json(*again)) == text_of(written));
}

void check_shapes(std::string_view text) {
    const auto json = proto::parse_json(text);
    if (!json) {
        require(json.error().code() == Errc::invalid);
        return;
    }
    check_shape(*json, proto::error_shape_from);
    check_shape(*json, proto::instance_spec_from);
    check_shape(*json, proto::instance_from);
    check_shape(*json, proto::operation_from);
    check_shape(*json, proto::member_from);
    check_shape(*json, proto::event_from);
    check_shape(*json, proto::grant_from);
    check_shape(*json, proto::user_attributes_from);
    check_shape(*json, proto::user_details_from);
    check_shape(*json, proto::root_status_from);
    check_shape(*json, proto::session_from);
    check_shape(*json, proto::parameter_from);
    check_shape(*json, proto::log_from);
    check_shape(*json, proto::finding_from);
    check_shape(*json, proto::load_from);
}

class Answers final : public cli::ApiClient {
public:
    Answers(std::string_view& input, cli::Clock& clock) : input_{input}, clock_{clock} {}

    Result<cli::ApiResponse> call(const cli::ApiRequest& /*request*/, cli::Deadline) override {
        clock_.sleep(std::chrono::milliseconds{200}); // time goes on, or a deadline never comes
        if (input_.empty()) {
            return Error{Errc::unavailable, "the agent went away"};
        }
        auto text = take(input_, between);
        cli::ApiResponse response{200, nullptr};
        std::from_chars(text.data(), text.data() + std::min<std::size_t>(3, text.size()),
                        response.status);
        text.remove_prefix(std::min<std::size_t>(3, text.size()));
        if (!text.empty()) {
            JACKDAW_TRY(response.body, proto::parse_json(text));
        }
        return response;
    }

    Result<void> stream(const std::string& /*path*/, const cli::EventSink& sink,
                        cli::Deadline) override {
        clock_.sleep(std::chrono::milliseconds{200});
        for (int count = 0; !input_.empty() && count < 16; ++count) {
            auto text = take(input_, between);
            const auto event = text.substr(0, 3);
            text.remove_prefix(event.size());
            JACKDAW_TRY(const auto json, proto::parse_json(text));
            if (!sink(event == "201"   ? "log"
                      : event == "203" ? "event"
                      : event == "500" ? "error"
                                       : "operation",
                      json)) {
                return ok();
            }
        }
        return ok();
    }

private:
    std::string_view& input_;
    cli::Clock& clock_;
};

class AgentOfInput final : public cli::Connector {
public:
    AgentOfInput(std::string_view& input, cli::Clock& clock) : input_{input}, clock_{clock} {}
    cli::ClientPtr socket(const std::string&) override {
        return std::make_unique<Answers>(input_, clock_);
    }
    Result<cli::ClientPtr> dial(const cli::Profile&, const std::string&, const std::string&,
                                cli::Deadline) override {
        return Error{Errc::unavailable, "there is no network here"};
    }

private:
    std::string_view& input_;
    cli::Clock& clock_;
};

class NoImages final : public cli::Images {
public:
    Result<std::vector<cli::ImageView>> list() override { return std::vector<cli::ImageView>{}; }
    Result<cli::ImageView> find(const std::string&) override {
        return Error{Code::no_image, "none"};
    }
    Result<void> build(const std::vector<std::string>&) override { return ok(); }
    Result<void> remove(const std::string&) override { return ok(); }
};

using Words = std::vector<std::string>;

const std::vector<Words>& commands() {
    static const std::vector<Words> all{
        {"instance", "list"},
        {"instance", "show", "db1"},
        {"instance", "restart", "db1", "--wait"},
        {"instance", "stop", "db1", "--wait"},
        {"member", "list"},
        {"member", "show", "db1"},
        {"op", "list"},
        {"op", "show", "018f3c1e-0000-7000-8000-0000000000aa"},
        {"op", "watch", "018f3c1e-0000-7000-8000-0000000000aa", "--timeout", "30s"},
        {"op", "abort", "018f3c1e-0000-7000-8000-0000000000aa"},
        {"database", "list", "db1"},
        {"database", "create", "db1", "shop", "--wait"},
        {"user", "list", "db1"},
        {"user", "show", "db1", "app"},
        {"user", "grant", "db1", "app", "SELECT", "--on", "shop.t", "--wait"},
        {"root", "show", "db1"},
        {"session", "list", "db1"},
        {"session", "kill", "db1", "7", "--wait"},
        {"config", "show", "db1"},
        {"config", "parameters", "db1"},
        {"config", "set", "db1", "max_connections=5", "--wait"},
        {"log", "list", "db1"},
        {"log", "tail", "db1", "error"},
        {"log", "tail", "db1", "error", "--follow", "--timeout", "3s"},
        {"events", "db1"},
        {"events", "db1", "--follow", "--timeout", "3s"},
        {"datastore", "capabilities", "db1"},
        {"connect", "db1"},
        {"instance", "pause", "db1", "--for", "1h", "--wait"},
        {"user", "password", "db1", "app", "--wait"},
        {"version"},
        {"doctor", "db1"},
        {"top", "-n", "2"},
    };
    return all;
}

void check_for_people(std::string_view text) {
    while (!text.empty()) {
        const auto line = take(text, "\n");
        require(cli::printable(line) == line);
    }
}

/// One document, or one a line of what goes on (`top -n 2`).
void check_documents(std::string_view text) {
    if (Json::accept(text)) {
        return;
    }
    while (!text.empty()) {
        require(Json::accept(take(text, "\n")));
    }
}

/// Standard error has the bar of a terminal, too: "\r", and the sequence that clears a line.
void run_command(std::uint8_t choice, std::uint8_t format, std::string_view input) {
    static constexpr std::array<const char*, 6> formats{"table", "wide", "json",
                                                        "jsonl", "yaml", "name"};
    cli::fakes::FakeTerminal terminal;
    cli::fakes::FakeClock clock;
    cli::fakes::FakeEntropy entropy;
    AgentOfInput connector{input, clock};
    NoImages images;
    cli::Folders folders;
    folders.config = folders.state = folders.data = "/nonexistent/jackdaw";
    folders.settings_file = "/nonexistent/jackdaw.toml";
    cli::Session session{
        terminal,
        clock,
        entropy,
        folders,
        [](const char*) -> std::optional<std::string> { return std::nullopt; },
        1000,
        connector,
        images,
        [](const std::string&, const std::string&) -> Result<std::unique_ptr<cli::Cloud>> {
            return Error{Errc::unsupported, "no cloud here"};
        },
        [](const cli::OperatorKeys&, const cli::AgentIdentity&) -> Result<cli::SignedFleetFiles> {
            return cli::SignedFleetFiles{};
        },
        [](std::vector<std::string>, const Secret&) -> Result<int> { return 0; }};
    auto words = commands()[choice % commands().size()];
    const std::string chosen = formats[format % formats.size()];
    words.insert(words.end(), {"--local", "-o", chosen});

    const int status = cli::run(session, words);
    require(status >= 0 && status <= 130);
    require(status <= 10 || status == 130);
    require(terminal.stdout_text.size() + terminal.stderr_text.size() <= (std::size_t{64} << 20U));
    if (format % formats.size() < 2) {
        check_for_people(terminal.stdout_text);
        check_for_people(terminal.stderr_text);
    } else if (chosen == "json" && status == 0) {
        check_documents(terminal.stdout_text);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size < 2) {
        return 0;
    }
    const std::string_view input{reinterpret_cast<const char*>(data) + 2, size - 2};
    check_shapes(input);
    run_command(data[0], data[1], input);
    return 0;
}
