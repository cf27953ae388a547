// proto/noise against the published vectors of the cacophony implementation
// (tests/unit/vectors/noise-cacophony.json names its source), and against everything that is not a
// handshake.
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>

#include <catch2/catch.hpp>

#include "proto/base/ids.h"
#include "proto/noise/noise.h"

using namespace jackdaw;
using namespace jackdaw::noise;

namespace {

std::string unhex(const nlohmann::json& text) {
    return *from_hex(text.get<std::string>());
}
Key key_of(const std::string& bytes) {
    Key key;
    REQUIRE(bytes.size() == key.size());
    std::memcpy(key.data(), bytes.data(), key.size());
    return key;
}
Key filled(std::uint8_t value) {
    Key key;
    key.fill(value);
    return key;
}
Handshake::Setup side(Pattern pattern, bool initiator, std::uint8_t secret) {
    Handshake::Setup setup;
    setup.pattern = pattern;
    setup.initiator = initiator;
    setup.own_static = KeyPair::from_secret(filled(secret));
    return setup;
}

} // namespace

TEST_CASE("noise: every published vector is met, message for message", "[noise]") {
    std::ifstream file{JACKDAW_VECTORS "/noise-cacophony.json"};
    const auto all = nlohmann::json::parse(file);
    const std::map<std::string, Pattern> patterns{
        {"Noise_NN_25519_ChaChaPoly_BLAKE2b", Pattern::nn},
        {"Noise_NNpsk0_25519_ChaChaPoly_BLAKE2b", Pattern::nn_psk0},
        {"Noise_XX_25519_ChaChaPoly_BLAKE2b", Pattern::xx},
        {"Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b", Pattern::xx_psk3}};
    std::size_t seen = 0;
    for (const auto& vector : all["vectors"]) {
        CAPTURE(vector["protocol_name"].get<std::string>());
        const auto make = [&](bool initiator, const std::string& prefix) {
            Handshake::Setup setup;
            setup.pattern = patterns.at(vector["protocol_name"]);
            setup.initiator = initiator;
            setup.prologue = unhex(vector[prefix + "_prologue"]);
            if (vector.contains(prefix + "_static")) {
                setup.own_static = KeyPair::from_secret(key_of(unhex(vector[prefix + "_static"])));
            }
            if (vector.contains(prefix + "_psks")) {
                setup.psk = key_of(unhex(vector[prefix + "_psks"][0]));
            }
            return Handshake{std::move(setup)};
        };
        Handshake initiator = make(true, "init");
        Handshake responder = make(false, "resp");
        const auto init_ephemeral = KeyPair::from_secret(key_of(unhex(vector["init_ephemeral"])));
        const auto resp_ephemeral = KeyPair::from_secret(key_of(unhex(vector["resp_ephemeral"])));
        std::array<CipherState, 2> ours;
        std::array<CipherState, 2> theirs;
        bool split = false;
        std::size_t number = 0;
        for (const auto& message : vector["messages"]) {
            const bool first = number++ % 2 == 0; // the initiator's, as transport messages are, too
            const auto payload = unhex(message["payload"]);
            const auto wire = unhex(message["ciphertext"]);
            if (!initiator.finished()) {
                auto& writer = first ? initiator : responder;
                auto& reader = first ? responder : initiator;
                REQUIRE(*writer.write(payload, first ? init_ephemeral : resp_ephemeral) == wire);
                REQUIRE(*reader.read(wire) == payload);
                continue;
            }
            if (!split) {
                split = true;
                ours = initiator.split();
                theirs = responder.split();
                const auto hash = unhex(vector["handshake_hash"]);
                CHECK(std::memcmp(initiator.hash().data(), hash.data(), hash.size()) == 0);
            }
            const std::size_t way = first ? 0 : 1;
            REQUIRE(*ours[way].encrypt({}, payload) == wire);
            REQUIRE(*theirs[way].decrypt({}, wire) == payload);
        }
        CHECK(split);
        ++seen;
    }
    CHECK(seen == 4);
}

TEST_CASE("noise: a handshake message altered in any bit is refused, and the handshake is over",
          "[noise]") {
    for (int altered = 0; altered < 3; ++altered) {
        std::size_t size = 1;
        for (std::size_t bit = 0; bit < size * 8; bit += 3) {
            Handshake a{side(Pattern::xx, true, 1)};
            Handshake b{side(Pattern::xx, false, 2)};
            bool refused = false;
            for (int number = 0; number < 3 && !refused; ++number) {
                auto& writer = number % 2 == 0 ? a : b;
                auto& reader = number % 2 == 0 ? b : a;
                auto wire = *writer.write(
                    "hello", KeyPair::from_secret(filled(static_cast<std::uint8_t>(10 + number))));
                if (number == altered) {
                    size = wire.size();
                    wire[bit / 8] = static_cast<char>(wire[bit / 8] ^ (1 << (bit % 8)));
                }
                const auto read = reader.read(wire);
                if (!read) {
                    CHECK(read.error().code() == Errc::corrupt);
                    CHECK_FALSE(reader.read(wire));
                    refused = true;
                }
            }
            // Message 1 is in clear: a change there shows at message 2 at the latest, except in its
            // payload and in the one bit of an X25519 key that RFC 7748 section 5 ignores: the
            // transcript hash finds those, too.
            CHECK(refused);
        }
    }
}

TEST_CASE("noise: a small-order key ends the handshake instead of a known secret", "[noise]") {
    Handshake responder{side(Pattern::nn, false, 2)};
    REQUIRE(responder.read(std::string(32, '\0')));
    CHECK(responder.write({}, KeyPair::from_secret(filled(3))).error().code() == Errc::corrupt);
}

TEST_CASE("noise: both sides rekey to the same key, and an old key opens nothing", "[noise]") {
    CipherState sender{filled(7)};
    CipherState receiver{filled(7)};
    CipherState old{filled(7)};
    sender.rekey();
    const auto sealed = *sender.encrypt({}, "x");
    CHECK_FALSE(old.decrypt({}, sealed));
    receiver.rekey();
    CHECK(*receiver.decrypt({}, sealed) == "x");
}

TEST_CASE("noise: garbage of every length is refused in every state", "[noise]") {
    std::mt19937 random{3};
    for (std::size_t size = 0; size < 300; ++size) {
        std::string garbage(size, '\0');
        for (auto& c : garbage) {
            c = static_cast<char>(random());
        }
        Handshake initiator{side(Pattern::xx, true, 1)};
        REQUIRE(initiator.write({}, KeyPair::from_secret(filled(9))));
        CHECK_FALSE(initiator.read(garbage));
        CHECK_FALSE(initiator.finished());
    }
}
