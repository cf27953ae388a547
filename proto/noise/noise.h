#pragma once
// The Noise Protocol Framework (revision 34), for 25519, ChaChaPoly and BLAKE2b: the patterns NN
// and XX, with the modifiers psk0 and psk3, from libsodium's primitives. Pure: ephemeral keys are
// handed in, so that published vectors can be replayed. Section numbers below are the
// specification's.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"

namespace jackdaw::noise {

inline constexpr std::size_t key_bytes = 32;
inline constexpr std::size_t hash_bytes = 64;
inline constexpr std::size_t tag_bytes = 16;
inline constexpr std::size_t message_bytes_max = 65535; ///< section 3

using Key = std::array<std::uint8_t, key_bytes>;
using Hash = std::array<std::uint8_t, hash_bytes>;

/// X25519. The secret half is wiped on destruction.
struct KeyPair {
    Key secret{};
    Key open{};
    KeyPair() = default;
    KeyPair(const KeyPair&) = default;
    KeyPair& operator=(const KeyPair&) = default;
    ~KeyPair();
    [[nodiscard]] static KeyPair from_secret(const Key& secret);
};

/// Section 5.1. A key and a counter that is never used twice.
class CipherState {
public:
    CipherState() = default;
    explicit CipherState(const Key& key) : key_{key}, has_key_{true} {}
    CipherState(const CipherState&) = default;
    CipherState& operator=(const CipherState&) = default;
    ~CipherState();

    [[nodiscard]] bool has_key() const noexcept { return has_key_; }
    [[nodiscard]] std::uint64_t count() const noexcept { return nonce_; }
    /// `exhausted` when the counter is used up. Without a key: the bytes themselves.
    [[nodiscard]] Result<std::string> encrypt(std::string_view ad, std::string_view plain);
    /// `corrupt` for a wrong tag; the counter stays, as section 5.1 says.
    [[nodiscard]] Result<std::string> decrypt(std::string_view ad, std::string_view sealed);
    /// Section 4.2, REKEY: encrypts 32 zeros with the highest nonce. The counter goes on.
    void rekey();

private:
    Key key_{};
    std::uint64_t nonce_ = 0;
    bool has_key_ = false;
};

/// Section 5.2.
class SymmetricState {
public:
    explicit SymmetricState(std::string_view protocol_name);
    ~SymmetricState();
    SymmetricState(const SymmetricState&) = default;
    SymmetricState& operator=(const SymmetricState&) = default;

    void mix_key(std::string_view input);
    void mix_hash(std::string_view data);
    void mix_key_and_hash(std::string_view input);
    [[nodiscard]] Result<std::string> encrypt_and_hash(std::string_view plain);
    [[nodiscard]] Result<std::string> decrypt_and_hash(std::string_view sealed);
    [[nodiscard]] std::array<CipherState, 2> split() const;
    [[nodiscard]] const Hash& hash() const noexcept { return hash_; }
    [[nodiscard]] bool has_key() const noexcept { return cipher_.has_key(); }

private:
    Hash chaining_key_{};
    Hash hash_{};
    CipherState cipher_;
};

enum class Pattern : std::uint8_t { nn, nn_psk0, xx, xx_psk3 };

/// Section 5.3. One party of one handshake; write and read in turn until finished().
class Handshake {
public:
    struct Setup {
        Pattern pattern = Pattern::xx;
        bool initiator = false;
        std::string prologue;
        KeyPair own_static;     ///< unused by NN
        std::optional<Key> psk; ///< with psk0 and psk3
    };
    explicit Handshake(Setup setup);

    [[nodiscard]] bool finished() const noexcept { return next_ == tokens_.size(); }
    [[nodiscard]] bool our_turn() const noexcept {
        return !finished() && (next_ % 2 == 0) == setup_.initiator;
    }
    /// `ephemeral` must be fresh for each handshake. `invalid` when it is not our turn or the
    /// message would be too long.
    [[nodiscard]] Result<std::string> write(std::string_view payload, const KeyPair& ephemeral);
    /// The payload. `corrupt` for anything that is not this message of this handshake; the
    /// handshake is over then.
    [[nodiscard]] Result<std::string> read(std::string_view message);

    /// The peer's static key, once it has been read.
    [[nodiscard]] const std::optional<Key>& remote_static() const noexcept {
        return remote_static_;
    }
    [[nodiscard]] const Hash& hash() const noexcept { return symmetric_.hash(); }
    /// {initiator to responder, responder to initiator}; only when finished.
    [[nodiscard]] std::array<CipherState, 2> split() const;

private:
    enum class Token : std::uint8_t { e, s, ee, es, se, psk };
    [[nodiscard]] static std::vector<std::vector<Token>> tokens_of(Pattern pattern);
    [[nodiscard]] static std::string_view name_of(Pattern pattern);
    [[nodiscard]] bool uses_psk() const noexcept {
        return setup_.pattern == Pattern::nn_psk0 || setup_.pattern == Pattern::xx_psk3;
    }
    /// `corrupt` for a public key of small order.
    [[nodiscard]] Result<void> mix_dh(Token token);

    Setup setup_;
    SymmetricState symmetric_;
    std::vector<std::vector<Token>> tokens_;
    std::size_t next_ = 0;
    bool broken_ = false;
    KeyPair own_ephemeral_;
    std::optional<Key> remote_static_, remote_ephemeral_;
};

} // namespace jackdaw::noise
