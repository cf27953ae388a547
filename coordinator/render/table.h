#pragma once
// Aligned tables for people. Pure: text in, text out.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace jackdaw::cli {

enum class Style : std::uint8_t { plain, good, warning, bad, dim, bold };

struct Cell {
    std::string text;
    Style style = Style::plain;
};

struct Column {
    std::string title;
    bool wide_only = false; ///< shown by -o wide alone
    bool right = false;     ///< numbers
};

struct Table {
    std::vector<Column> columns;
    std::vector<std::vector<Cell>> rows; ///< each as long as `columns`
};

/// One line per row, a head first, two blanks between columns, no blank at a line's end. Control
/// characters are shown as '?', so that a hostile name cannot speak to the terminal. An empty table
/// is its head alone.
[[nodiscard]] std::string render_table(const Table& table, bool wide, bool colour);

/// "Name:  db1" lines, aligned; a pair with an empty value is left out.
[[nodiscard]] std::string render_pairs(const std::vector<std::pair<std::string, Cell>>& pairs,
                                       bool colour);

[[nodiscard]] std::string styled(std::string_view text, Style style, bool colour);
/// The text without control characters (C0, DEL, C1 and broken UTF-8 become '?').
[[nodiscard]] std::string printable(std::string_view text);
/// printable(), and where that takes more than so many columns its beginning with "…" behind it.
[[nodiscard]] std::string beginning(std::string_view text, std::size_t columns_max);
/// Columns on a terminal: code points, those of East Asian width counted as two.
[[nodiscard]] std::size_t display_width(std::string_view text);

} // namespace jackdaw::cli
