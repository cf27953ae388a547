#include "plugins/mariadb/verifier.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace jackdaw::mariadb {
namespace {

using Sha1 = std::array<unsigned char, 20>;

bool sha1(const void* data, std::size_t size, Sha1& digest) {
    unsigned length = 0;
    return EVP_Digest(data, size, digest.data(), &length, EVP_sha1(), nullptr) == 1 &&
           length == digest.size();
}

} // namespace

Result<std::string> native_verifier(const Secret& password) {
    const auto clear = password.reveal();
    if (clear.empty() || clear.size() > password_bytes_max ||
        clear.find('\0') != std::string_view::npos) {
        return Error{Code::bad_password, "a password has 1 to 512 bytes and no NUL"};
    }
    Sha1 once{};
    Sha1 twice{};
    const bool done =
        sha1(clear.data(), clear.size(), once) && sha1(once.data(), once.size(), twice);
    OPENSSL_cleanse(once.data(),
                    once.size()); // enough to log in with: the protocol proves this one
    if (!done) {
        return Error{Errc::unsupported, "this machine's OpenSSL refuses SHA-1, which MariaDB's "
                                        "mysql_native_password is made of"};
    }
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string verifier = "*";
    for (const auto byte : twice) {
        verifier += digits[byte >> 4U];
        verifier += digits[byte & 0x0fU];
    }
    return verifier;
}

bool is_native_verifier(std::string_view verifier) noexcept {
    return verifier.size() == 41 && verifier.front() == '*' &&
           std::all_of(verifier.begin() + 1, verifier.end(),
                       [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); });
}

} // namespace jackdaw::mariadb
