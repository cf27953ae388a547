#pragma once
// Messages for programs: with -o json, jsonl or yaml, standard error holds one JSON object a line
// and nothing else.

#include "coordinator/commands/terminal.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::cli {

/// {"apiVersion", "kind": "Message", "text", "operation": id or null}, a line.
[[nodiscard]] std::string message_line(std::string_view text, std::string_view operation = {});

/// Another terminal whose messages are made such lines; the rest is as it was. Nobody looks at
/// them: it is no terminal for bars.
class JsonMessages final : public Terminal {
public:
    explicit JsonMessages(Terminal& inner) : inner_{inner} {}

    void out(std::string_view text) override { inner_.out(text); }
    [[nodiscard]] Result<void> out_arrived() const override { return inner_.out_arrived(); }
    [[nodiscard]] bool out_was_closed() const override { return inner_.out_was_closed(); }
    void watch_out() override { inner_.watch_out(); }
    void page(std::string_view text) override { inner_.page(text); }
    [[nodiscard]] Result<std::unique_ptr<Screen>> open_screen() override {
        return inner_.open_screen();
    }
    void err(std::string_view text) override;
    void err_document(std::string_view line) override { inner_.err_document(line); }
    [[nodiscard]] bool in_is_terminal() const override { return inner_.in_is_terminal(); }
    [[nodiscard]] bool out_is_terminal() const override { return inner_.out_is_terminal(); }
    [[nodiscard]] bool err_is_terminal() const override { return false; }
    [[nodiscard]] bool colour_out() const override { return inner_.colour_out(); }
    [[nodiscard]] bool colour_err() const override { return false; }
    [[nodiscard]] unsigned columns() const override { return inner_.columns(); }
    [[nodiscard]] Result<Secret> read_line(std::size_t bytes_max) override {
        return inner_.read_line(bytes_max);
    }
    [[nodiscard]] Result<Secret> read_hidden_line(std::size_t bytes_max) override {
        return inner_.read_hidden_line(bytes_max);
    }
    [[nodiscard]] bool in_ready() const override { return inner_.in_ready(); }
    void set_interrupt_note(std::string_view note) override;

private:
    Terminal& inner_;
};

} // namespace jackdaw::cli
