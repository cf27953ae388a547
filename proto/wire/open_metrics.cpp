#include "proto/wire/open_metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <unordered_set>

#include <fmt/format.h>

namespace jackdaw::proto {
namespace {

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// ABNF metricname (colons are for recording rules) and label-name.
bool is_name(std::string_view name) {
    return !name.empty() && is_letter(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return is_letter(c) || is_digit(c); });
}

/// What the names of a type's samples end in.
struct Type {
    std::string_view name;
    std::array<std::string_view, 4> suffixes;
    std::size_t count;
};
constexpr std::array types{
    Type{"gauge", {""}, 1},
    Type{"unknown", {""}, 1},
    Type{"counter", {"_total", "_created"}, 2},
    Type{"info", {"_info"}, 1},
    Type{"histogram", {"_bucket", "_sum", "_count", "_created"}, 4},
};

const Type* type_of(std::string_view name) {
    const auto* const found =
        std::find_if(types.begin(), types.end(), [&](const auto& one) { return one.name == name; });
    return found == types.end() ? nullptr : found;
}

/// Length of the well-formed character at the front (Unicode, table 3-7), 0: none.
std::size_t character_size(std::string_view text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const auto first = byte(0);
    if (first < 0x80) {
        return 1;
    }
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || text.size() < size) {
        return 0;
    }
    const unsigned least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    const unsigned most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (byte(1) < least || byte(1) > most) {
        return 0;
    }
    for (std::size_t i = 2; i < size; ++i) {
        if ((byte(i) & 0xc0U) != 0x80) {
            return 0;
        }
    }
    return size;
}

/// ABNF escaped-string: of help texts and label values.
void append_escaped(std::string& out, std::string_view text) {
    while (!text.empty()) {
        const auto size = character_size(text);
        if (size == 0) {
            out += "\xef\xbf\xbd";
        } else if (text.front() == '\n') {
            out += "\\n";
        } else if (text.front() == '"' || text.front() == '\\') {
            out += '\\';
            out += text.front();
        } else {
            out += text.substr(0, size);
        }
        text.remove_prefix(std::max<std::size_t>(size, 1));
    }
}

void append_number(std::string& out, double value) {
    if (std::isnan(value)) {
        out += "NaN";
    } else if (std::isinf(value)) {
        out += value > 0 ? "+Inf" : "-Inf";
    } else {
        fmt::format_to(std::back_inserter(out), "{}", value); // the shortest that reads back as it
    }
}

/// "" or {a="b"}; false when a label is none, or comes twice.
bool append_labels(std::string& out, const MetricSample& sample) {
    if (sample.labels.empty()) {
        return true;
    }
    char before = '{';
    for (std::size_t i = 0; i < sample.labels.size(); ++i) {
        const auto& [name, value] = sample.labels[i];
        const bool is_new = std::none_of(sample.labels.begin(),
                                         sample.labels.begin() + static_cast<std::ptrdiff_t>(i),
                                         [&](const auto& other) { return other.first == name; });
        if (!is_name(name) || name.starts_with("__") || !is_new) {
            return false;
        }
        out += before;
        out += name;
        out += "=\"";
        append_escaped(out, value);
        out += '"';
        before = ',';
    }
    out += '}';
    return true;
}

class Writer {
public:
    void add(const MetricFamily& family) {
        const auto* const type = type_of(family.type);
        if (type == nullptr || !is_name(family.name) || !claim(family.name, *type)) {
            left_out_ += std::max<std::size_t>(family.samples.size(), 1);
            return;
        }
        fmt::format_to(std::back_inserter(text_), "# TYPE {} {}\n", family.name, type->name);
        for (const std::string_view unit : {"seconds", "bytes"}) {
            const auto at = family.name.size() - std::min(family.name.size(), unit.size() + 1);
            if (type->name != "info" && family.name[at] == '_' &&
                std::string_view{family.name}.substr(at + 1) == unit) {
                fmt::format_to(std::back_inserter(text_), "# UNIT {} {}\n", family.name, unit);
            }
        }
        if (!family.help.empty()) {
            fmt::format_to(std::back_inserter(text_), "# HELP {} ", family.name);
            append_escaped(text_, family.help);
            text_ += '\n';
        }
        seen_.clear();
        for (const auto& sample : family.samples) {
            if (!add_sample(family.name, *type, sample)) {
                ++left_out_;
            }
        }
    }

    std::string finish() {
        text_ += "# EOF\n";
        return std::move(text_);
    }
    [[nodiscard]] std::size_t left_out() const { return left_out_; }

private:
    bool add_sample(const std::string& family, const Type& type, const MetricSample& sample) {
        const auto* const end = type.suffixes.begin() + type.count;
        if (std::find(type.suffixes.begin(), end, sample.suffix) == end) {
            return false;
        }
        // Counters, and the counts inside a histogram, are neither negative nor NaN.
        const bool counts = type.name == "counter" || type.name == "histogram";
        if ((counts && !(sample.value >= 0)) || (type.name == "info" && sample.value != 1)) {
            return false;
        }
        std::string line = family + sample.suffix;
        if (!append_labels(line, sample) || !seen_.insert(line).second) {
            return false;
        }
        text_ += line;
        text_ += ' ';
        append_number(text_, sample.value);
        text_ += '\n';
        return true;
    }

    /// All names that the family's samples could have, and its own.
    bool claim(const std::string& family, const Type& type) {
        std::vector<std::string> names;
        for (std::size_t i = 0; i < type.count; ++i) {
            names.push_back(family + std::string{type.suffixes[i]});
        }
        if (names.front() != family) {
            names.push_back(family);
        }
        if (std::any_of(names.begin(), names.end(),
                        [&](const auto& name) { return names_.contains(name); })) {
            return false;
        }
        names_.insert(names.begin(), names.end());
        return true;
    }

    std::string text_;
    std::unordered_set<std::string> names_;
    std::unordered_set<std::string> seen_; ///< of this family: names with labels
    std::size_t left_out_ = 0;
};

} // namespace

std::string open_metrics_text(const std::vector<MetricFamily>& families, std::size_t* left_out) {
    Writer writer;
    for (const auto& family : families) {
        writer.add(family);
    }
    if (left_out != nullptr) {
        *left_out = writer.left_out();
    }
    return writer.finish();
}

} // namespace jackdaw::proto
