#pragma once
// What a command has around it: where it reads and writes, time, randomness. Interfaces, so that
// tests see every byte.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "coordinator/commands/screen.h"
#include "proto/base/error.h"
#include "proto/base/secret.h"

namespace jackdaw::cli {

class Terminal {
public:
    Terminal() = default;
    Terminal(const Terminal&) = delete;
    Terminal& operator=(const Terminal&) = delete;
    virtual ~Terminal() = default;

    virtual void out(std::string_view text) = 0; ///< data: stdout
    /// E-OUTPUT-LOST once anything given to out() could not be written; what was done stands.
    [[nodiscard]] virtual Result<void> out_arrived() const = 0;
    /// out() for what may be long: through the person's pager when it does not fit their terminal.
    virtual void page(std::string_view text) = 0;
    /// The terminal as a whole, for a view that lives; only where in and out are terminals. See
    /// take_screen().
    [[nodiscard]] virtual Result<std::unique_ptr<Screen>> open_screen() = 0;
    virtual void err(std::string_view text) = 0; ///< messages and progress: stderr
    /// One JSON object and its line end, for programs: stderr. See json_messages.h.
    virtual void err_document(std::string_view line) { err(line); }
    /// Did the reader of stdout go away, as `| head` does?
    [[nodiscard]] virtual bool out_was_closed() const = 0;
    /// Takes notice of a reader of stdout that went away, as writing would: for who waits long for
    /// something to write. Does not wait.
    virtual void watch_out() {}
    [[nodiscard]] virtual bool in_is_terminal() const = 0;
    [[nodiscard]] virtual bool out_is_terminal() const = 0;
    [[nodiscard]] virtual bool err_is_terminal() const = 0;
    [[nodiscard]] virtual bool colour_out() const = 0; ///< a terminal, and no NO_COLOR
    [[nodiscard]] virtual bool colour_err() const = 0;
    [[nodiscard]] virtual unsigned columns() const = 0; ///< of stderr
    /// One line of stdin without its end; `invalid` when it is longer than `bytes_max`; empty at
    /// the end of input.
    [[nodiscard]] virtual Result<Secret> read_line(std::size_t bytes_max) = 0;
    /// Likewise from a terminal that does not show it. Signals end the program as ever, with the
    /// terminal as it was.
    [[nodiscard]] virtual Result<Secret> read_hidden_line(std::size_t bytes_max) = 0;
    /// Is there more of stdin at this moment, or its end? Does not wait.
    [[nodiscard]] virtual bool in_ready() const = 0;
    /// What an interrupt (Ctrl-C) says before the program ends with 130; empty: nothing. See
    /// DetachNote.
    virtual void set_interrupt_note(std::string_view note) = 0;
};

class Clock {
public:
    Clock() = default;
    Clock(const Clock&) = delete;
    Clock& operator=(const Clock&) = delete;
    virtual ~Clock() = default;
    [[nodiscard]] virtual std::int64_t wall_ms() const = 0;
    [[nodiscard]] virtual std::chrono::steady_clock::time_point now() const = 0;
    virtual void sleep(std::chrono::milliseconds span) = 0;
};

class Entropy {
public:
    Entropy() = default;
    Entropy(const Entropy&) = delete;
    Entropy& operator=(const Entropy&) = delete;
    virtual ~Entropy() = default;
    virtual void fill(std::span<std::byte> bytes) = 0;
};

[[nodiscard]] std::string new_uuid(Clock& clock, Entropy& entropy);
/// 24 of a-z A-Z 0-9: 142 bits, and nothing that a shell or a URL would mind.
[[nodiscard]] Secret new_password(Entropy& entropy);

/// While it lives, Ctrl-C tells the person how to go on.
class DetachNote {
public:
    DetachNote(Terminal& terminal, std::string_view note) : terminal_{terminal} {
        terminal_.set_interrupt_note(note);
    }
    DetachNote(const DetachNote&) = delete;
    DetachNote& operator=(const DetachNote&) = delete;
    ~DetachNote() { terminal_.set_interrupt_note({}); }

private:
    Terminal& terminal_;
};

/// The real ones. An interrupt is taken from the first of them on: it restores nothing, since
/// only read_hidden_line() changes the terminal, and ends the process at once; everything that a
/// command does can be cut off at any point. Standard streams that are closed are replaced by ones
/// that refuse to be read or written: a file opened later would get their numbers, and what is
/// meant for people.
[[nodiscard]] std::unique_ptr<Terminal> make_terminal();
[[nodiscard]] std::unique_ptr<Clock> make_clock();
[[nodiscard]] std::unique_ptr<Entropy> make_entropy();

} // namespace jackdaw::cli
