#include "proto/noise/noise.h"

#include <algorithm>
#include <cassert>
#include <cstring>

#include <sodium.h>

namespace jackdaw::noise {
namespace {

constexpr std::size_t block_bytes = 128; ///< of BLAKE2b, for HMAC (RFC 2104)
constexpr std::uint64_t highest_nonce = ~std::uint64_t{0};

const unsigned char* bytes(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}
std::string_view view(std::span<const std::uint8_t> data) {
    return {reinterpret_cast<const char*>(data.data()), data.size()};
}

Hash blake2b(std::initializer_list<std::string_view> parts) {
    crypto_generichash_state state;
    crypto_generichash_init(&state, nullptr, 0, hash_bytes);
    for (const auto part : parts) {
        crypto_generichash_update(&state, bytes(part), part.size());
    }
    Hash out{};
    crypto_generichash_final(&state, out.data(), out.size());
    sodium_memzero(&state, sizeof state);
    return out;
}

/// Section 4.3: HMAC-HASH, not BLAKE2b's own keyed mode.
Hash hmac(const Hash& key, std::initializer_list<std::string_view> parts) {
    std::array<std::uint8_t, block_bytes> inner{};
    std::array<std::uint8_t, block_bytes> outer{};
    std::ranges::copy(key, inner.begin());
    std::ranges::copy(key, outer.begin());
    for (std::size_t i = 0; i < block_bytes; ++i) {
        inner[i] ^= 0x36;
        outer[i] ^= 0x5c;
    }
    crypto_generichash_state state;
    crypto_generichash_init(&state, nullptr, 0, hash_bytes);
    crypto_generichash_update(&state, inner.data(), inner.size());
    for (const auto part : parts) {
        crypto_generichash_update(&state, bytes(part), part.size());
    }
    Hash middle{};
    crypto_generichash_final(&state, middle.data(), middle.size());
    auto out = blake2b({view(outer), view(middle)});
    sodium_memzero(inner.data(), inner.size());
    sodium_memzero(outer.data(), outer.size());
    sodium_memzero(middle.data(), middle.size());
    sodium_memzero(&state, sizeof state);
    return out;
}

/// Section 4.3, HKDF with up to three outputs.
std::array<Hash, 3> hkdf(const Hash& chaining_key, std::string_view input) {
    auto temp = hmac(chaining_key, {input});
    std::array<Hash, 3> out;
    out[0] = hmac(temp, {std::string_view{"\x01", 1}});
    out[1] = hmac(temp, {view(out[0]), std::string_view{"\x02", 1}});
    out[2] = hmac(temp, {view(out[1]), std::string_view{"\x03", 1}});
    sodium_memzero(temp.data(), temp.size());
    return out;
}

Key first_half(const Hash& hash) {
    Key key;
    std::copy_n(hash.begin(), key_bytes, key.begin());
    return key;
}

/// Section 12.3: 32 bits of zeros, then the counter, little-endian.
std::array<std::uint8_t, crypto_aead_chacha20poly1305_IETF_NPUBBYTES> nonce_bytes(std::uint64_t n) {
    std::array<std::uint8_t, crypto_aead_chacha20poly1305_IETF_NPUBBYTES> nonce{};
    for (std::size_t i = 0; i < 8; ++i) {
        nonce[4 + i] = static_cast<std::uint8_t>(n >> (8 * i));
    }
    return nonce;
}

} // namespace

KeyPair::~KeyPair() {
    sodium_memzero(secret.data(), secret.size());
}

KeyPair KeyPair::from_secret(const Key& secret) {
    KeyPair pair;
    pair.secret = secret;
    crypto_scalarmult_base(pair.open.data(), pair.secret.data());
    return pair;
}

CipherState::~CipherState() {
    sodium_memzero(key_.data(), key_.size());
}

Result<std::string> CipherState::encrypt(std::string_view ad, std::string_view plain) {
    if (!has_key_) {
        return std::string{plain};
    }
    if (nonce_ == highest_nonce) {
        return Error{Errc::exhausted, "the key's counter is used up"};
    }
    std::string sealed(plain.size() + tag_bytes, '\0');
    const auto nonce = nonce_bytes(nonce_++);
    crypto_aead_chacha20poly1305_ietf_encrypt(reinterpret_cast<unsigned char*>(sealed.data()),
                                              nullptr, bytes(plain), plain.size(), bytes(ad),
                                              ad.size(), nullptr, nonce.data(), key_.data());
    return sealed;
}

Result<std::string> CipherState::decrypt(std::string_view ad, std::string_view sealed) {
    if (!has_key_) {
        return std::string{sealed};
    }
    if (nonce_ == highest_nonce) {
        return Error{Errc::exhausted, "the key's counter is used up"};
    }
    if (sealed.size() < tag_bytes) {
        return Error{Errc::corrupt, "a sealed message without room for its tag"};
    }
    std::string plain(sealed.size() - tag_bytes, '\0');
    const auto nonce = nonce_bytes(nonce_);
    if (crypto_aead_chacha20poly1305_ietf_decrypt(
            reinterpret_cast<unsigned char*>(plain.data()), nullptr, nullptr, bytes(sealed),
            sealed.size(), bytes(ad), ad.size(), nonce.data(), key_.data()) != 0) {
        return Error{Errc::corrupt, "a message whose seal is broken"};
    }
    ++nonce_;
    return plain;
}

void CipherState::rekey() {
    assert(has_key_);
    const Key zeros{};
    std::array<std::uint8_t, key_bytes + tag_bytes> sealed{};
    const auto nonce = nonce_bytes(highest_nonce);
    crypto_aead_chacha20poly1305_ietf_encrypt(sealed.data(), nullptr, zeros.data(), zeros.size(),
                                              nullptr, 0, nullptr, nonce.data(), key_.data());
    std::copy_n(sealed.begin(), key_bytes, key_.begin());
    sodium_memzero(sealed.data(), sealed.size());
}

SymmetricState::SymmetricState(std::string_view protocol_name) {
    if (protocol_name.size() <= hash_bytes) {
        std::ranges::copy(protocol_name, hash_.begin());
    } else {
        hash_ = blake2b({protocol_name});
    }
    chaining_key_ = hash_;
}

SymmetricState::~SymmetricState() {
    sodium_memzero(chaining_key_.data(), chaining_key_.size());
}

void SymmetricState::mix_key(std::string_view input) {
    const auto out = hkdf(chaining_key_, input);
    chaining_key_ = out[0];
    cipher_ = CipherState{first_half(out[1])};
}

void SymmetricState::mix_hash(std::string_view data) {
    hash_ = blake2b({view(hash_), data});
}

void SymmetricState::mix_key_and_hash(std::string_view input) {
    const auto out = hkdf(chaining_key_, input);
    chaining_key_ = out[0];
    mix_hash(view(out[1]));
    cipher_ = CipherState{first_half(out[2])};
}

Result<std::string> SymmetricState::encrypt_and_hash(std::string_view plain) {
    JACKDAW_TRY(auto sealed, cipher_.encrypt(view(hash_), plain));
    mix_hash(sealed);
    return sealed;
}

Result<std::string> SymmetricState::decrypt_and_hash(std::string_view sealed) {
    JACKDAW_TRY(auto plain, cipher_.decrypt(view(hash_), sealed));
    mix_hash(sealed);
    return plain;
}

std::array<CipherState, 2> SymmetricState::split() const {
    const auto out = hkdf(chaining_key_, {});
    return {CipherState{first_half(out[0])}, CipherState{first_half(out[1])}};
}

std::vector<std::vector<Handshake::Token>> Handshake::tokens_of(Pattern pattern) {
    using enum Token;
    switch (pattern) { // section 7.5; the modifiers: section 9.4
    case Pattern::nn: return {{e}, {e, ee}};
    case Pattern::nn_psk0: return {{psk, e}, {e, ee}};
    case Pattern::xx: return {{e}, {e, ee, s, es}, {s, se}};
    case Pattern::xx_psk3: return {{e}, {e, ee, s, es}, {s, se, psk}};
    }
    return {};
}

std::string_view Handshake::name_of(Pattern pattern) {
    switch (pattern) {
    case Pattern::nn: return "Noise_NN_25519_ChaChaPoly_BLAKE2b";
    case Pattern::nn_psk0: return "Noise_NNpsk0_25519_ChaChaPoly_BLAKE2b";
    case Pattern::xx: return "Noise_XX_25519_ChaChaPoly_BLAKE2b";
    case Pattern::xx_psk3: return "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b";
    }
    return {};
}

Handshake::Handshake(Setup setup)
    : setup_{std::move(setup)},
      symmetric_{name_of(setup_.pattern)},
      tokens_{tokens_of(setup_.pattern)} {
    assert(setup_.psk.has_value() == uses_psk());
    symmetric_.mix_hash(setup_.prologue);
}

Result<void> Handshake::mix_dh(Token token) {
    const bool own_is_ephemeral = token == Token::ee || (token == Token::es) == setup_.initiator;
    const bool remote_is_ephemeral = token == Token::ee || (token == Token::se) == setup_.initiator;
    const auto& own = own_is_ephemeral ? own_ephemeral_ : setup_.own_static;
    const auto& remote = remote_is_ephemeral ? remote_ephemeral_ : remote_static_;
    assert(remote.has_value());
    Key shared{};
    if (crypto_scalarmult(shared.data(), own.secret.data(), remote->data()) != 0) {
        return Error{Errc::corrupt, "a public key of small order"};
    }
    symmetric_.mix_key(view(shared));
    sodium_memzero(shared.data(), shared.size());
    return ok();
}

Result<std::string> Handshake::write(std::string_view payload, const KeyPair& ephemeral) {
    if (broken_ || !our_turn()) {
        return Error{Errc::invalid, "it is not this side's turn in the handshake"};
    }
    broken_ = true; // until all of it has been written: half a message leaves a mixed-up state
    std::string message;
    for (const auto token : tokens_[next_]) {
        if (token == Token::e) {
            own_ephemeral_ = ephemeral;
            message += view(own_ephemeral_.open);
            symmetric_.mix_hash(view(own_ephemeral_.open));
            if (uses_psk()) {
                symmetric_.mix_key(view(own_ephemeral_.open)); // section 9.2
            }
        } else if (token == Token::s) {
            JACKDAW_TRY(const auto sealed,
                        symmetric_.encrypt_and_hash(view(setup_.own_static.open)));
            message += sealed;
        } else if (token == Token::psk) {
            symmetric_.mix_key_and_hash(view(*setup_.psk));
        } else {
            JACKDAW_CHECK(mix_dh(token));
        }
    }
    JACKDAW_TRY(const auto sealed, symmetric_.encrypt_and_hash(payload));
    message += sealed;
    if (message.size() > message_bytes_max) {
        return Error{Errc::invalid, "a handshake message over 65535 bytes"};
    }
    ++next_;
    broken_ = false;
    return message;
}

Result<std::string> Handshake::read(std::string_view message) {
    if (broken_ || finished() || our_turn()) {
        return Error{Errc::invalid, "it is not the other side's turn in the handshake"};
    }
    broken_ = true; // until all of it has been understood
    const auto take = [&message](std::size_t size) -> Result<std::string_view> {
        if (message.size() < size) {
            return Error{Errc::corrupt, "a handshake message that is too short"};
        }
        const auto part = message.substr(0, size);
        message.remove_prefix(size);
        return part;
    };
    const auto key_from = [](std::string_view part) {
        Key key;
        std::memcpy(key.data(), part.data(), key.size());
        return key;
    };
    for (const auto token : tokens_[next_]) {
        if (token == Token::e) {
            JACKDAW_TRY(const auto part, take(key_bytes));
            remote_ephemeral_ = key_from(part);
            symmetric_.mix_hash(part);
            if (uses_psk()) {
                symmetric_.mix_key(part);
            }
        } else if (token == Token::s) {
            JACKDAW_TRY(const auto part, take(key_bytes + (symmetric_.has_key() ? tag_bytes : 0)));
            JACKDAW_TRY(const auto plain, symmetric_.decrypt_and_hash(part));
            remote_static_ = key_from(plain);
        } else if (token == Token::psk) {
            symmetric_.mix_key_and_hash(view(*setup_.psk));
        } else {
            JACKDAW_CHECK(mix_dh(token));
        }
    }
    JACKDAW_TRY(auto payload, symmetric_.decrypt_and_hash(message));
    ++next_;
    broken_ = false;
    return payload;
}

std::array<CipherState, 2> Handshake::split() const {
    assert(finished());
    return symmetric_.split();
}

} // namespace jackdaw::noise
