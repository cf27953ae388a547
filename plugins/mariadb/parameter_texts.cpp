#include "plugins/mariadb/parameter_texts.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "plugins/mariadb/names.h"
#include "plugins/mariadb/parameter_list.h"
#include "plugins/mariadb/parameter_values.h"

namespace jackdaw::mariadb {
namespace {

// sql/sql_locale.cc (Knowledge Base, Server Locale); the server lists them in a plug-in only.
constexpr std::array<std::string_view, 112> locales{
    "ar_AE", "ar_BH", "ar_DZ", "ar_EG", "ar_IN", "ar_IQ", "ar_JO", "ar_KW", "ar_LB", "ar_LY",
    "ar_MA", "ar_OM", "ar_QA", "ar_SA", "ar_SD", "ar_SY", "ar_TN", "ar_YE", "be_BY", "bg_BG",
    "ca_ES", "cs_CZ", "da_DK", "de_AT", "de_BE", "de_CH", "de_DE", "de_LU", "el_GR", "en_AU",
    "en_CA", "en_GB", "en_IN", "en_NZ", "en_PH", "en_US", "en_ZA", "en_ZW", "es_AR", "es_BO",
    "es_CL", "es_CO", "es_CR", "es_DO", "es_EC", "es_ES", "es_GT", "es_HN", "es_MX", "es_NI",
    "es_PA", "es_PE", "es_PR", "es_PY", "es_SV", "es_US", "es_UY", "es_VE", "et_EE", "eu_ES",
    "fi_FI", "fo_FO", "fr_BE", "fr_CA", "fr_CH", "fr_FR", "fr_LU", "gl_ES", "gu_IN", "he_IL",
    "hi_IN", "hr_HR", "hu_HU", "id_ID", "is_IS", "it_CH", "it_IT", "ja_JP", "ka_GE", "ko_KR",
    "lt_LT", "lv_LV", "mk_MK", "mn_MN", "ms_MY", "nb_NO", "nl_BE", "nl_NL", "no_NO", "pl_PL",
    "pt_BR", "pt_PT", "rm_CH", "ro_RO", "ru_RU", "ru_UA", "sk_SK", "sl_SI", "sq_AL", "sr_RS",
    "sv_FI", "sv_SE", "ta_IN", "te_IN", "th_TH", "tr_TR", "uk_UA", "ur_PK", "vi_VN", "zh_CN",
    "zh_HK", "zh_TW"};

Error wrong(const proto::Parameter& parameter, std::string_view value, std::string hint) {
    return Error{Errc::invalid,
                 fmt::format("{} takes no \"{}\"", parameter.name, value.substr(0, 64))}
        .with_hint(std::move(hint));
}

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

bool is_letter(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string lower(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return text;
}

Result<std::string> check_locale(const proto::Parameter& parameter, const std::string& value) {
    for (const auto known : locales) {
        if (equal_words(known, value)) {
            return std::string{known};
        }
    }
    return wrong(parameter, value, "a language and a country, as in en_US, de_DE, ja_JP");
}

/// SYSTEM, an offset from -12:59 to +13:00, or a name (Knowledge Base, Time Zones).
Result<std::string> check_time_zone(const proto::Parameter& parameter, const std::string& value) {
    if (equal_words(value, "SYSTEM")) {
        return std::string{"SYSTEM"};
    }
    const auto hint = "SYSTEM, an offset from -12:59 to +13:00, or a name as in Europe/Berlin";
    if (value.starts_with('+') || value.starts_with('-')) {
        if (value.size() != 6 || !is_digit(value[1]) || !is_digit(value[2]) || value[3] != ':' ||
            value[4] > '5' || !is_digit(value[4]) || !is_digit(value[5])) {
            return wrong(parameter, value, hint);
        }
        const int minutes =
            ((value[1] - '0') * 10 + value[2] - '0') * 60 + (value[4] - '0') * 10 + value[5] - '0';
        if (minutes > (value[0] == '-' ? 12 * 60 + 59 : 13 * 60) || value == "-00:00") {
            return wrong(parameter, value, hint);
        }
        return value;
    }
    const bool is_name =
        value.size() <= 64 && !value.empty() && is_letter(value[0]) &&
        std::all_of(value.begin(), value.end(), [](char c) {
            return is_letter(c) || is_digit(c) || c == '/' || c == '_' || c == '-' || c == '+';
        });
    return is_name ? Result<std::string>{value} : wrong(parameter, value, hint);
}

/// Fourteen different characters that are neither letters nor digits, the first a space, or the
/// second and the first no letter (storage/myisam/ft_parser.c, ft_boolean_check_syntax_string()).
Result<std::string> check_boolean_syntax(const proto::Parameter& parameter,
                                         const std::string& value) {
    const auto hint = "fourteen characters that are no letters and no digits, as in "
                      "+ -><()~*:\"\"&|";
    const bool spaced = value.size() == 14 && (value[0] == ' ' || value[1] == ' ');
    if (!spaced) {
        return wrong(parameter, value, hint);
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
        const auto byte = static_cast<unsigned char>(value[i]);
        if (byte > 127 || is_letter(value[i]) || is_digit(value[i])) {
            return wrong(parameter, value, hint);
        }
        // The two quotes may be the same.
        for (std::size_t j = 0; j < i; ++j) {
            if (value[i] == value[j] && (i != 11 || j != 10)) {
                return wrong(parameter, value, hint);
            }
        }
    }
    return value;
}

/// "database/table".
Result<std::string> check_stop_words(const proto::Parameter& parameter, const std::string& value) {
    const auto slash = value.find('/');
    const bool fine = slash != std::string::npos && slash > 0 && slash + 1 < value.size() &&
                      value.find('/', slash + 1) == std::string::npos;
    return fine ? Result<std::string>{value}
                : wrong(parameter, value, "DATABASE/TABLE; unset it for the built-in words");
}

/// Names of variables, or *; an unknown one would be left out with a warning.
Result<std::string> check_tracked(const std::vector<proto::Parameter>& known,
                                  const proto::Parameter& parameter, const std::string& value) {
    if (value == "*" || value.empty()) {
        return value;
    }
    const auto small = lower(value);
    auto words = split_words(small);
    std::string text;
    for (const auto word : words) {
        if (find_parameter(known, word) == nullptr) {
            return wrong(parameter, word, "names of variables with commas between them, or *");
        }
    }
    std::sort(words.begin(), words.end());
    words.erase(std::unique(words.begin(), words.end()), words.end());
    for (const auto word : words) {
        text += fmt::format("{}{}", text.empty() ? "" : ",", word);
    }
    return text;
}

} // namespace

Result<std::string> check_text(const std::vector<proto::Parameter>& known,
                               const proto::Parameter& parameter, const std::string& value) {
    const auto& name = parameter.name;
    if (name == "character_set_server" || name == "character_set_filesystem") {
        JACKDAW_CHECK(check_charset(lower(value), {}));
        return charset_of(lower(value), {});
    }
    if (name == "collation_server") {
        JACKDAW_CHECK(check_charset({}, lower(value)));
        return lower(value);
    }
    if (name == "lc_messages" || name == "lc_time_names") {
        return check_locale(parameter, value);
    }
    if (name == "time_zone") {
        return check_time_zone(parameter, value);
    }
    if (name == "ft_boolean_syntax") {
        return check_boolean_syntax(parameter, value);
    }
    if (name == "innodb_ft_server_stopword_table" || name == "innodb_ft_user_stopword_table") {
        return check_stop_words(parameter, value);
    }
    if (name == "session_track_system_variables") {
        return check_tracked(known, parameter, value);
    }
    if (name == "innodb_temp_data_file_path" && !temporary_path_bytes(value)) {
        return wrong(
            parameter, value,
            "NAME:SIZE[:autoextend[:max:SIZE]], from 12M on, as in "
            "ibtmp1:12M:autoextend:max:1G; several with ; between them, the last may grow");
    }
    return value;
}

std::optional<TemporaryBytes> temporary_path_bytes(std::string_view text) noexcept {
    constexpr std::uint64_t mib = 1U << 20U;
    std::uint64_t total = 0;
    for (int files = 0; files < 16; ++files) { // more than anybody has
        const auto end = text.find(';');
        auto file = text.substr(0, end);
        const bool is_last = end == std::string_view::npos;
        const auto take = [&file] {
            const auto colon = file.find(':');
            const auto word = file.substr(0, colon);
            file.remove_prefix(colon == std::string_view::npos ? file.size() : colon + 1);
            return word;
        };
        const auto name = take();
        const bool is_name =
            !name.empty() && name.size() <= 64 &&
            std::all_of(name.begin(), name.end(),
                        [](char c) {
                            return is_letter(c) || is_digit(c) || c == '_' || c == '-' || c == '.';
                        }) &&
            name.front() != '.';
        const auto size = parse_number(take());
        if (!is_name || !size || size->negative || size->magnitude % mib != 0 ||
            size->magnitude == 0 || size->magnitude >> 50U != 0) {
            return std::nullopt;
        }
        total += size->magnitude;
        if (!is_last) {
            if (!file.empty()) {
                return std::nullopt; // only the last one grows
            }
            text.remove_prefix(end + 1);
            continue;
        }
        if (total < 12 * mib) {
            return std::nullopt;
        }
        if (file.empty()) {
            return TemporaryBytes{total, total};
        }
        if (take() != "autoextend") {
            return std::nullopt;
        }
        if (file.empty()) {
            return TemporaryBytes{total, 0};
        }
        const auto word = take();
        const auto most = parse_number(take());
        if (word != "max" || !most || most->negative || most->magnitude % mib != 0 ||
            most->magnitude < size->magnitude || !file.empty()) {
            return std::nullopt;
        }
        return TemporaryBytes{total, total - size->magnitude + most->magnitude};
    }
    return std::nullopt;
}

} // namespace jackdaw::mariadb
