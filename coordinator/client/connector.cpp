#include "coordinator/client/connector.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>

#include "coordinator/client/unix_http_client.h"
#include "proto/base/ids.h"
#include "proto/runtime/channel_client.h"
#include "proto/wire/channel_codec.h"
#include "proto/wire/statement.h"

namespace jackdaw::cli {
namespace {

constexpr std::uint16_t agent_port = 7412;

template <std::size_t N>
Result<std::array<std::uint8_t, N>> array_of(std::string_view bytes, std::string_view what) {
    if (bytes.size() != N) {
        return Error{Errc::corrupt,
                     fmt::format("{} must have {} bytes, not {}", what, N, bytes.size())};
    }
    std::array<std::uint8_t, N> out{};
    std::ranges::transform(bytes, out.begin(), [](char c) { return static_cast<std::uint8_t>(c); });
    return out;
}

Result<proto::PublicKey> key_from_hex(std::string_view text, std::string_view what) {
    auto bytes = from_hex(text);
    if (!bytes) {
        return std::move(bytes).error().while_doing(std::string{what});
    }
    return array_of<32>(*bytes, what);
}

Result<std::string> signed_by(const OperatorKeys& keys, const proto::Statement& statement) {
    JACKDAW_TRY(auto secret, array_of<64>(keys.sign_secret.reveal(), "the operator's key"));
    auto text = proto::sign_statement(statement, secret);
    std::ranges::fill(secret, std::uint8_t{0});
    return text;
}

/// What the operator brings to the channel: its own statement, signed by itself.
Result<runtime::ChannelKeys> channel_keys(const Folders& folders, const std::string& fleet) {
    JACKDAW_TRY(const auto keys, load_keys(folders, fleet));
    runtime::ChannelKeys channel;
    JACKDAW_TRY(auto secret,
                array_of<32>(keys.noise_secret.reveal(), "the operator's channel key"));
    channel.own = noise::KeyPair::from_secret(secret);
    std::ranges::fill(secret, std::uint8_t{0});
    proto::Statement statement;
    statement.fleet = fleet;
    statement.name = "operator";
    statement.role = proto::PeerRole::operator_;
    JACKDAW_TRY(statement.sign_key, array_of<32>(keys.sign_public, "the operator's key"));
    statement.noise_key = channel.own.open;
    JACKDAW_TRY(channel.statement, signed_by(keys, statement));
    channel.anchor = {fleet, statement.sign_key};
    return channel;
}

class ChannelApiClient final : public ApiClient {
public:
    explicit ChannelApiClient(std::unique_ptr<runtime::ChannelClient> channel)
        : channel_{std::move(channel)} {}

    Result<ApiResponse> call(const ApiRequest& request, Deadline deadline) override {
        runtime::ChannelClient::Request sent{
            request.method, request.path, {}, request.idempotency_key};
        if (!request.body.is_null()) {
            sent.body = request.body.dump(-1, ' ', false, Json::error_handler_t::replace);
        }
        auto response = channel_->call(sent, deadline);
        wipe(sent.body); // it may carry a password
        if (!response) {
            return std::move(response).error();
        }
        return read(*response);
    }

    Result<void> stream(const std::string& path, const EventSink& sink,
                        Deadline deadline) override {
        std::optional<Error> broken;
        auto response = channel_->stream(
            path,
            [&](const std::string& event, const std::string& data) {
                auto json = proto::parse_json(data);
                if (!json) {
                    broken = std::move(json).error().with_id(Code::protocol);
                    return false;
                }
                return sink(event, *json);
            },
            deadline);
        if (broken) {
            return *std::move(broken);
        }
        if (!response) {
            return std::move(response).error();
        }
        if (response->status != 200) {
            JACKDAW_TRY(const auto refused, read(*response));
            return refusal(refused);
        }
        return ok();
    }

private:
    static Result<ApiResponse> read(const runtime::ChannelClient::Response& response) {
        ApiResponse out{static_cast<int>(response.status), nullptr};
        if (!response.body.empty()) {
            auto json = proto::parse_json(response.body, proto::channel_body_bytes_max);
            if (!json) {
                return std::move(json)
                    .error()
                    .with_id(Code::protocol)
                    .while_doing("read the agent's answer");
            }
            out.body = *std::move(json);
        }
        return out;
    }

    std::unique_ptr<runtime::ChannelClient> channel_;
};

class RealConnector final : public Connector {
public:
    explicit RealConnector(Folders folders) : folders_{std::move(folders)} {}

    ClientPtr socket(const std::string& path) override { return make_unix_client(path); }

    Result<ClientPtr> dial(const Profile& profile, const std::string& address,
                           const std::string& instance_id, Deadline deadline) override {
        JACKDAW_TRY(const auto keys, channel_keys(folders_, profile.name));
        JACKDAW_TRY(auto channel,
                    runtime::ChannelClient::connect(address, agent_port, keys, deadline));
        const auto& told = channel->peer().statement;
        if (told.role != proto::PeerRole::agent ||
            (!instance_id.empty() && told.instance_id != instance_id)) {
            return Error{Code::bad_peer,
                         fmt::format("the agent at {} is that of '{}'", address, told.name)};
        }
        return ClientPtr{std::make_unique<ChannelApiClient>(std::move(channel))};
    }

private:
    Folders folders_;
};

} // namespace

std::unique_ptr<Connector> make_connector(Folders folders) {
    return std::make_unique<RealConnector>(std::move(folders));
}

Result<SignedFleetFiles> sign_statement(const OperatorKeys& keys, const AgentIdentity& agent) {
    proto::Statement statement;
    statement.fleet = agent.fleet;
    statement.instance_id = agent.instance_id;
    statement.name = agent.name;
    statement.role = proto::PeerRole::agent;
    JACKDAW_TRY(statement.sign_key, key_from_hex(agent.sign_key, "the agent's signing key"));
    JACKDAW_TRY(statement.noise_key, key_from_hex(agent.noise_key, "the agent's channel key"));
    SignedFleetFiles files;
    JACKDAW_TRY(files.statement, signed_by(keys, statement));
    files.operator_key = to_hex(std::as_bytes(std::span{keys.sign_public})) + "\n";
    return files;
}

} // namespace jackdaw::cli
