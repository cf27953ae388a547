#include "coordinator/render/table.h"

#include <algorithm>
#include <cassert>

namespace jackdaw::cli {
namespace {

struct CodePoint {
    char32_t value = 0;
    std::size_t bytes = 0; ///< 0: not UTF-8
};

/// RFC 3629: shortest form only, no surrogates, at most U+10FFFF.
CodePoint first_code_point(std::string_view text) {
    const auto byte = [&text](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned lead = byte(0);
    if (lead < 0x80) {
        return {lead, 1};
    }
    const std::size_t size = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc2 ? 2 : 0;
    if (size == 0 || lead > 0xf4 || text.size() < size) {
        return {};
    }
    char32_t value = lead & (0x7fU >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((byte(i) & 0xc0U) != 0x80U) {
            return {};
        }
        value = (value << 6U) | (byte(i) & 0x3fU);
    }
    const char32_t smallest = size == 4 ? 0x10000 : size == 3 ? 0x800 : 0x80;
    if (value < smallest || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) {
        return {};
    }
    return {value, size};
}

bool is_wide(char32_t c) {
    return (c >= 0x1100 && c <= 0x115f) || (c >= 0x2e80 && c <= 0xa4cf) ||
           (c >= 0xac00 && c <= 0xd7a3) || (c >= 0xf900 && c <= 0xfaff) ||
           (c >= 0xfe30 && c <= 0xfe6f) || (c >= 0xff00 && c <= 0xff60) ||
           (c >= 0xffe0 && c <= 0xffe6) || (c >= 0x1f300 && c <= 0x1faff) ||
           (c >= 0x20000 && c <= 0x3fffd);
}

bool is_control(char32_t c) {
    // U+202A to U+202E and U+2066 to U+2069 turn the direction of what follows them.
    return c < 0x20 || (c >= 0x7f && c < 0xa0) || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

std::string_view escape_of(Style style) {
    switch (style) {
    case Style::plain: return "";
    case Style::good: return "\x1b[32m";
    case Style::warning: return "\x1b[33m";
    case Style::bad: return "\x1b[31m";
    case Style::dim: return "\x1b[2m";
    case Style::bold: return "\x1b[1m";
    }
    return "";
}

} // namespace

std::string printable(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        const auto point = first_code_point(text);
        if (point.bytes == 0 || is_control(point.value)) {
            out += '?';
        } else {
            out += text.substr(0, point.bytes);
        }
        text.remove_prefix(std::max<std::size_t>(1, point.bytes));
    }
    return out;
}

std::string beginning(std::string_view text, std::size_t columns_max) {
    auto clean = printable(text);
    std::size_t width = 0;
    for (std::size_t at = 0; at < clean.size();) {
        const auto point = first_code_point(std::string_view{clean}.substr(at));
        width += is_wide(point.value) ? 2U : 1U;
        if (width > columns_max) {
            return clean.substr(0, at) + "…";
        }
        at += std::max<std::size_t>(1, point.bytes);
    }
    return clean;
}

std::size_t display_width(std::string_view text) {
    std::size_t width = 0;
    while (!text.empty()) {
        const auto point = first_code_point(text);
        width += point.bytes != 0 && is_wide(point.value) ? 2U : 1U;
        text.remove_prefix(std::max<std::size_t>(1, point.bytes));
    }
    return width;
}

std::string styled(std::string_view text, Style style, bool colour) {
    if (!colour || style == Style::plain || text.empty()) {
        return std::string{text};
    }
    return std::string{escape_of(style)} + std::string{text} + "\x1b[0m";
}

std::string render_table(const Table& table, bool wide, bool colour) {
    std::vector<std::size_t> shown;
    for (std::size_t i = 0; i < table.columns.size(); ++i) {
        if (wide || !table.columns[i].wide_only) {
            shown.push_back(i);
        }
    }
    std::vector<std::size_t> widths(table.columns.size());
    for (const auto i : shown) {
        widths[i] = display_width(table.columns[i].title);
    }
    std::vector<std::vector<Cell>> clean = table.rows;
    for (auto& row : clean) {
        assert(row.size() == table.columns.size());
        for (const auto i : shown) {
            row[i].text = printable(row[i].text);
            if (row[i].text.empty()) {
                row[i] = Cell{"-", Style::dim};
            }
            widths[i] = std::max(widths[i], display_width(row[i].text));
        }
    }
    std::string out;
    const auto put_line = [&](auto&& cell_at) {
        for (const auto i : shown) {
            const Cell cell = cell_at(i);
            const std::string blanks(widths[i] - display_width(cell.text), ' ');
            const bool last = i == shown.back();
            if (table.columns[i].right) {
                out += blanks;
            }
            out += styled(cell.text, cell.style, colour);
            if (!last) {
                out += table.columns[i].right ? "  " : blanks + "  ";
            }
        }
        out += '\n';
    };
    put_line([&](std::size_t i) { return Cell{table.columns[i].title, Style::bold}; });
    for (const auto& row : clean) {
        put_line([&](std::size_t i) { return row[i]; });
    }
    return out;
}

std::string render_pairs(const std::vector<std::pair<std::string, Cell>>& pairs, bool colour) {
    std::size_t width = 0;
    for (const auto& [name, cell] : pairs) {
        width = cell.text.empty() ? width : std::max(width, display_width(name));
    }
    std::string out;
    for (const auto& [name, cell] : pairs) {
        if (!cell.text.empty()) {
            out += name + ":" + std::string(width - display_width(name) + 2, ' ') +
                   styled(printable(cell.text), cell.style, colour) + "\n";
        }
    }
    return out;
}

} // namespace jackdaw::cli
