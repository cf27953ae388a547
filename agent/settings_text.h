#pragma once
// The form of the settings file: the part of TOML 1.0.0 that settings need. Pure.
//
//   KEY = NUMBER | TEXT | [TEXT, TEXT, …]     a line each; a list may go over several; # a comment
//
// A key is of A-Z a-z 0-9 '-' '_'. A number is decimal. A text stands in "quotes", with the escapes
// \b \t \n \f \r \" \\, or in 'quotes', with none; it ends in its own line. Tables, dates, texts of
// several lines and the like are refused: no setting has them.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "proto/base/error.h"

namespace jackdaw::agent {

struct SettingLine {
    enum class Kind : unsigned char { number, text, list };
    std::string key;
    Kind kind = Kind::text;
    std::vector<std::string> values; ///< one, but for a list
    std::size_t line = 0;            ///< from 1
};

/// In the order of the document. `invalid` naming `where`, the line and what is wrong; a key that
/// is there twice is wrong. Bounded by the document's size.
[[nodiscard]] Result<std::vector<SettingLine>> parse_settings_text(std::string_view document,
                                                                   const std::string& where);

} // namespace jackdaw::agent
