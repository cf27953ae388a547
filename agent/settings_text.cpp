#include "agent/settings_text.h"

#include <algorithm>

#include <fmt/format.h>

namespace jackdaw::agent {
namespace {

constexpr std::size_t settings_max = 256; ///< keys of one file

constexpr bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
constexpr bool is_key(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}
constexpr bool is_control(char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

class Parser {
public:
    Parser(std::string_view document, const std::string& where) : rest_{document}, where_{where} {}

    Result<std::vector<SettingLine>> run() {
        std::vector<SettingLine> all;
        for (;;) {
            JACKDAW_CHECK(skip_lines());
            if (rest_.empty()) {
                return all;
            }
            SettingLine setting;
            setting.line = line_;
            JACKDAW_TRY(setting.key, key());
            if (std::ranges::find(all, setting.key, &SettingLine::key) != all.end()) {
                return wrong("this key is there already");
            }
            if (all.size() == settings_max) {
                return wrong("more keys than there are settings");
            }
            JACKDAW_CHECK(value(setting));
            JACKDAW_CHECK(end_of_line());
            all.push_back(std::move(setting));
        }
    }

private:
    [[nodiscard]] Error wrong(std::string_view what) const {
        return Error{Errc::invalid, fmt::format("{}:{}: {}", where_, line_, what)};
    }
    [[nodiscard]] char next() const { return rest_.empty() ? '\n' : rest_.front(); }
    bool take(char wanted) {
        if (rest_.empty() || rest_.front() != wanted) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }
    template <class Is>
    std::string_view take_while(Is is) {
        const auto* const end = std::ranges::find_if_not(rest_, is);
        const auto part = rest_.substr(0, static_cast<std::size_t>(end - rest_.begin()));
        rest_.remove_prefix(part.size());
        return part;
    }
    void skip_blanks() {
        take_while([](char c) { return c == ' ' || c == '\t'; });
    }

    /// What may stand behind a value: blanks, a comment, the line's end or the document's.
    Result<void> end_of_line() {
        skip_blanks();
        if (take('#')) {
            take_while([](char c) { return !is_control(c); });
        }
        (void)take('\r');
        if (!rest_.empty() && !take('\n')) {
            return wrong(is_control(next()) ? "a control character"
                                            : "something stands behind the value");
        }
        ++line_;
        return ok();
    }
    /// Empty lines and comments.
    Result<void> skip_lines() {
        for (;;) {
            skip_blanks();
            if (rest_.empty() || (next() != '#' && next() != '\n' && next() != '\r')) {
                return ok();
            }
            JACKDAW_CHECK(end_of_line());
        }
    }

    Result<std::string> key() {
        const std::string key{take_while(is_key)};
        if (key.empty()) {
            return wrong(next() == '[' ? "settings have no tables" : "a key was to begin here");
        }
        skip_blanks();
        if (!take('=')) {
            return wrong("a '=' was to follow the key");
        }
        skip_blanks();
        return key;
    }

    Result<void> value(SettingLine& setting) {
        if (next() == '"' || next() == '\'') {
            JACKDAW_TRY(auto text, this->text());
            setting.values.push_back(std::move(text));
            return ok();
        }
        if (take('[')) {
            setting.kind = SettingLine::Kind::list;
            return list(setting.values);
        }
        setting.kind = SettingLine::Kind::number;
        const auto sign = take('-') ? "-" : "";
        const auto digits = take_while(is_digit);
        if (digits.empty()) {
            return wrong("a value is a whole number, a text in quotes or a list of texts");
        }
        setting.values.push_back(fmt::format("{}{}", sign, digits));
        return ok();
    }

    Result<void> list(std::vector<std::string>& values) {
        for (;;) {
            JACKDAW_CHECK(skip_lines());
            if (take(']')) {
                return ok();
            }
            if (next() != '"' && next() != '\'') {
                return wrong("a list is of texts in quotes");
            }
            JACKDAW_TRY(auto text, this->text());
            values.push_back(std::move(text));
            JACKDAW_CHECK(skip_lines());
            if (!take(',') && next() != ']') {
                return wrong("a ',' or ']' was to follow");
            }
        }
    }

    Result<std::string> text() {
        const char quote = next();
        rest_.remove_prefix(1);
        std::string text;
        while (!take(quote)) {
            if (rest_.empty() || is_control(next())) {
                return wrong("a text ends in its own line and holds no control character");
            }
            if (quote == '"' && take('\\')) { // TOML 1.0.0, "String"
                constexpr std::string_view names = "btnfr\"\\";
                constexpr std::string_view meant = "\b\t\n\f\r\"\\";
                const auto at = names.find(next());
                if (at == std::string_view::npos) {
                    return wrong("there is no such escape");
                }
                text += meant[at];
            } else {
                text += next();
            }
            rest_.remove_prefix(1);
        }
        return text;
    }

    std::string_view rest_;
    const std::string& where_;
    std::size_t line_ = 1;
};

} // namespace

Result<std::vector<SettingLine>> parse_settings_text(std::string_view document,
                                                     const std::string& where) {
    return Parser{document, where}.run();
}

} // namespace jackdaw::agent
