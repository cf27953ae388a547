#pragma once
// The course of an operation as people follow it: one bar that is drawn over on a terminal, or one
// line for each step that ends elsewhere. Pure: operation in, text out; the caller writes it.

#include <map>
#include <string>

#include "proto/messages/shapes.h"

namespace jackdaw::cli {

class ProgressView {
public:
    ProgressView(bool terminal, unsigned columns) : terminal_{terminal}, columns_{columns} {}

    /// What to write for this state after the last one: nothing, whole lines, or "\r…" for the bar.
    [[nodiscard]] std::string update(const proto::Operation& operation);
    /// Takes the bar off the terminal; empty when there is none.
    [[nodiscard]] std::string clear();

private:
    [[nodiscard]] std::string bar(const proto::Operation& operation) const;

    bool terminal_;
    unsigned columns_;
    bool drawn_ = false;
    std::map<std::string, std::string> told_; ///< step → status last told
};

} // namespace jackdaw::cli
