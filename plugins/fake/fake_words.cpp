#include "plugins/fake/fake_words.h"

#include <algorithm>
#include <array>

#include <sodium.h>

namespace jackdaw::fake {
namespace {

constexpr std::string_view digits = "0123456789abcdef";
constexpr std::string_view verifier_prefix = "blake2b:";
constexpr std::size_t words_max = 1100;

std::optional<unsigned> digit_of(char c) noexcept {
    const auto at = digits.find(c);
    return at == std::string_view::npos ? std::nullopt : std::optional{static_cast<unsigned>(at)};
}

void append_hex(std::string& text, unsigned char byte) {
    text += digits[byte >> 4U];
    text += digits[byte & 0x0fU];
}

} // namespace

std::string encode_word(std::string_view word) {
    if (word.empty()) {
        return "%";
    }
    std::string encoded;
    for (const char c : word) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20 || byte == 0x7f || c == '%') {
            encoded += '%';
            append_hex(encoded, byte);
        } else {
            encoded += c;
        }
    }
    return encoded;
}

std::optional<std::string> decode_word(std::string_view word) {
    if (word == "%") {
        return std::string{};
    }
    std::string decoded;
    for (std::size_t i = 0; i < word.size(); ++i) {
        if (word[i] != '%') {
            decoded += word[i];
            continue;
        }
        if (i + 2 >= word.size()) {
            return std::nullopt;
        }
        const auto high = digit_of(word[i + 1]);
        const auto low = digit_of(word[i + 2]);
        if (!high || !low) {
            return std::nullopt;
        }
        decoded += static_cast<char>(static_cast<unsigned char>(*high << 4U | *low));
        i += 2;
    }
    return decoded;
}

std::optional<std::vector<std::string>> decode_line(std::string_view line) {
    std::vector<std::string> words;
    while (!line.empty()) {
        const auto end = std::min(line.find(' '), line.size());
        auto word = decode_word(line.substr(0, end));
        if (!word || end == 0 || words.size() == words_max) {
            return std::nullopt;
        }
        words.push_back(std::move(*word));
        line.remove_prefix(std::min(end + 1, line.size()));
    }
    return words;
}

std::string encode_line(const std::vector<std::string>& words) {
    std::string line;
    for (const auto& word : words) {
        if (!line.empty()) {
            line += ' ';
        }
        line += encode_word(word);
    }
    return line;
}

std::string verifier_of(std::string_view password) {
    std::array<unsigned char, 32> digest{};
    // Cannot fail for these sizes; needs no sodium_init().
    (void)crypto_generichash(digest.data(), digest.size(),
                             reinterpret_cast<const unsigned char*>(password.data()),
                             password.size(), nullptr, 0);
    std::string verifier{verifier_prefix};
    for (const auto byte : digest) {
        append_hex(verifier, byte);
    }
    return verifier;
}

bool is_verifier(std::string_view text) noexcept {
    return text.size() == verifier_prefix.size() + 64 && text.starts_with(verifier_prefix) &&
           text.find_first_not_of(digits, verifier_prefix.size()) == std::string_view::npos;
}

} // namespace jackdaw::fake
