#pragma once
// The one way this project reports a failure that a caller can react to.
//
//   Result<Lsn> replay_position(...);          // a value, or an Error
//   JACKDAW_TRY(auto lsn, replay_position(...));   // hand the Error up, noting this line
//
// An Error answers three questions, in this order:
//   code()    what can the caller do about it?     (the program reads this)
//   message() what happened?                       (a person reads this)
//   frames()  what were we doing when it happened? (innermost first)
//
// Programming mistakes are not Errors: they are assert(), which stays on in release builds.

#include <cstdint>
#include <exception>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace jackdaw {

/// One value per *distinct reaction*. Add a value only when some caller would
/// do something that no present value makes it do; detail belongs in the message.
enum class Errc : std::uint8_t {
    invalid,     ///< can never succeed as written; do not retry
    not_found,   ///< the named thing does not exist
    unsupported, ///< this datastore or version lacks the operation
    conflict,    ///< the world moved on (fenced epoch, wrong role); re-read, then decide
    busy,        ///< another operation holds the resource; retry later
    unavailable, ///< a peer, disk or datastore cannot be reached; retry with backoff
    deadline,    ///< out of time; the outcome is UNKNOWN until observed
    cancelled,   ///< our own side asked us to stop; never an alarm
    exhausted,   ///< a configured limit was hit (queue, disk, memory)
    corrupt,     ///< bytes failed a checksum, MAC or schema; never retry, always alarm
    internal,    ///< a bug that need not end the process
    not_allowed, ///< the caller has no right to it; never retry as the same caller
};

[[nodiscard]] std::string_view to_string(Errc code) noexcept;

/// What people and scripts see: E-VOLUME-FULL and its like, one row each in error_codes.def.
enum class Code : std::uint8_t {
#define X(identifier, name, reaction, exit_status, text, hint) identifier,
#include "proto/base/error_codes.def"
#undef X
};

/// One row of the table of errors; the strings live for ever.
struct CodeRow {
    Code code;
    std::string_view name; ///< "E-VOLUME-FULL"
    Errc reaction;
    int exit_status; ///< of the command line, as CLI.md lists them
    std::string_view text;
    std::string_view hint;
};

[[nodiscard]] const CodeRow& row_of(Code code) noexcept;
/// The row of "E-…", or null: a peer of a newer version may name one that we do not know.
[[nodiscard]] const CodeRow* find_code(std::string_view name) noexcept;
[[nodiscard]] std::vector<CodeRow> all_codes();
/// The general row of a reaction: E-BUSY for Errc::busy.
[[nodiscard]] Code general_code(Errc reaction) noexcept;

/// May the same request be sent again without first looking at the world?
/// `deadline` is absent on purpose: only an idempotent caller may retry that.
[[nodiscard]] constexpr bool is_retryable(Errc code) noexcept {
    return code == Errc::busy || code == Errc::unavailable;
}

template <class T>
class Result;

/// One pointer wide, so Result<void> costs a success nothing: its error is simply null.
/// Move-only: an Error has one owner on its way up. clone() to answer several waiters.
class [[nodiscard]] Error {
public:
    struct Frame {
        std::string doing; ///< "promote instance pg-7"; empty for a bare hand-up
        std::source_location where;
    };

    Error(Errc code, std::string message,
          std::source_location where = std::source_location::current());

    /// A failure with a row of its own; code() is that row's reaction.
    Error(Code id, std::string message,
          std::source_location where = std::source_location::current());

    /// Wraps an operating-system or Asio error, keeping its number for the log.
    Error(Errc code, std::string message, std::error_code cause,
          std::source_location where = std::source_location::current());

    [[nodiscard]] Error clone() const;

    [[nodiscard]] Errc code() const noexcept { return state_->code; }
    [[nodiscard]] Code id() const noexcept { return state_->id; }
    /// The next command: set by with_hint(), or the hint of the table's row.
    [[nodiscard]] std::string hint() const;
    [[nodiscard]] Error with_hint(std::string hint) &&;
    /// For a wrapped failure that has a row of its own after all; changes the reaction, too.
    [[nodiscard]] Error with_id(Code id) &&;
    /// The frames without places: "create db1: mount volume"; empty when nobody said.
    [[nodiscard]] std::string doing() const;
    [[nodiscard]] const std::string& message() const noexcept { return state_->message; }
    [[nodiscard]] std::error_code cause() const noexcept { return state_->cause; }
    [[nodiscard]] const std::vector<Frame>& frames() const noexcept { return state_->frames; }

    /// Says what the caller was doing. Call once per layer, in the words of that layer.
    [[nodiscard]] Error
    while_doing(std::string doing, std::source_location where = std::source_location::current()) &&;

    /// One line for a person: "promote pg-7: connect to /run/pg: refused [unavailable;
    /// system:111]".
    [[nodiscard]] std::string to_string() const;
    /// The same with file:line of every frame, for the debug log.
    [[nodiscard]] std::string to_debug_string() const;

private:
    struct State {
        Errc code;
        Code id;
        std::string message;
        std::string hint;
        std::error_code cause;
        std::vector<Frame> frames; ///< innermost first
    };
    friend class Result<void>;
    explicit Error(std::unique_ptr<State> state) noexcept : state_{std::move(state)} {}

    std::unique_ptr<State> state_; ///< null only when moved from, or inside Result<void>
};

/// std::expected<T, Error> in all but name. libstdc++ 12 has <expected> only under
/// -std=c++23, and there without and_then/transform; we build as C++20. When the
/// toolchain moves this becomes an alias, so it offers nothing std::expected does not,
/// while_doing() aside.
template <class T>
class [[nodiscard]] Result {
    static_assert(!std::is_reference_v<T>, "return a pointer or a value");
    static_assert(!std::is_same_v<std::remove_cv_t<T>, Error>, "an Error is not a value");

public:
    using value_type = T;
    using error_type = Error;

    // Implicit on purpose: `return value;` and `return Error{...};` both read well.
    template <class U = T>
        requires(std::is_convertible_v<U, T> && !std::is_same_v<std::remove_cvref_t<U>, Error> &&
                 !std::is_same_v<std::remove_cvref_t<U>, Result>)
    Result(U&& value) : state_{std::in_place_index<0>, std::forward<U>(value)} {}
    Result(Error error) : state_{std::in_place_index<1>, std::move(error)} {}

    [[nodiscard]] bool has_value() const noexcept { return state_.index() == 0; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }

    [[nodiscard]] T& operator*() & noexcept { return *value_ptr(); }
    [[nodiscard]] const T& operator*() const& noexcept { return *value_ptr(); }
    [[nodiscard]] T&& operator*() && noexcept { return std::move(*value_ptr()); }
    [[nodiscard]] T* operator->() noexcept { return value_ptr(); }
    [[nodiscard]] const T* operator->() const noexcept { return value_ptr(); }

    [[nodiscard]] const Error& error() const& noexcept { return *error_ptr(); }
    [[nodiscard]] Error&& error() && noexcept { return std::move(*error_ptr()); }

    template <class U>
    [[nodiscard]] T value_or(U&& fallback) && {
        return has_value() ? std::move(*value_ptr()) : static_cast<T>(std::forward<U>(fallback));
    }

    template <class F>
    [[nodiscard]] auto and_then(F&& f) && -> std::invoke_result_t<F, T&&> {
        if (!has_value()) {
            return std::move(*error_ptr());
        }
        return std::forward<F>(f)(std::move(*value_ptr()));
    }

    template <class F>
    [[nodiscard]] auto transform(F&& f) && -> Result<std::invoke_result_t<F, T&&>> {
        if (!has_value()) {
            return std::move(*error_ptr());
        }
        return std::forward<F>(f)(std::move(*value_ptr()));
    }

    /// `doing` is a string, or a callable that makes one (run only on failure).
    template <class Doing>
    [[nodiscard]] Result
    while_doing(Doing&& doing, std::source_location where = std::source_location::current()) && {
        if (has_value()) {
            return std::move(*this);
        }
        if constexpr (std::is_invocable_r_v<std::string, Doing>) {
            return std::move(*error_ptr()).while_doing(std::forward<Doing>(doing)(), where);
        } else {
            return std::move(*error_ptr())
                .while_doing(std::string{std::forward<Doing>(doing)}, where);
        }
    }

private:
    T* value_ptr() noexcept {
        return std::get_if<0>(&state_) ? std::get_if<0>(&state_) : fail<T>();
    }
    const T* value_ptr() const noexcept { return const_cast<Result*>(this)->value_ptr(); }
    Error* error_ptr() noexcept {
        return std::get_if<1>(&state_) ? std::get_if<1>(&state_) : fail<Error>();
    }
    const Error* error_ptr() const noexcept { return const_cast<Result*>(this)->error_ptr(); }

    /// Reading the wrong side is a bug here, not a condition: end the process, in release too.
    template <class U>
    [[noreturn]] static U* fail() noexcept {
        std::terminate();
    }

    std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
public:
    using value_type = void;
    using error_type = Error;

    Result() = default; ///< success; Asio's co_spawn also needs it default-constructible
    Result(Error error) noexcept : error_{std::move(error)} {}

    [[nodiscard]] bool has_value() const noexcept { return error_.state_ == nullptr; }
    [[nodiscard]] explicit operator bool() const noexcept { return has_value(); }
    [[nodiscard]] const Error& error() const& noexcept { return error_; }
    [[nodiscard]] Error&& error() && noexcept { return std::move(error_); }

    [[nodiscard]] Result
    while_doing(std::string doing,
                std::source_location where = std::source_location::current()) && {
        if (has_value()) {
            return {};
        }
        return std::move(error_).while_doing(std::move(doing), where);
    }

private:
    Error error_{std::unique_ptr<Error::State>{}};
};

inline Result<void> ok() {
    return {};
}

} // namespace jackdaw

#define JACKDAW_CONCAT_INNER(a, b) a##b
#define JACKDAW_CONCAT(a, b) JACKDAW_CONCAT_INNER(a, b)
#define JACKDAW_TRY_IMPL(tmp, exit, decl, ...)                                                     \
    auto tmp = (__VA_ARGS__);                                                                      \
    if (!tmp) {                                                                                    \
        exit std::move(tmp).error().while_doing({});                                               \
    }                                                                                              \
    decl = *std::move(tmp)
#define JACKDAW_CHECK_IMPL(tmp, exit, ...)                                                         \
    if (auto tmp = (__VA_ARGS__); !tmp) {                                                          \
        exit std::move(tmp).error().while_doing({});                                               \
    }                                                                                              \
    static_assert(true)

/// JACKDAW_TRY(auto lsn, replay_position(db)); in a plain function
#define JACKDAW_TRY(decl, ...)                                                                     \
    JACKDAW_TRY_IMPL(JACKDAW_CONCAT(try_, __LINE__), return, decl, __VA_ARGS__)
/// JACKDAW_CHECK(write_epoch(db, epoch)); for a Result<void> in a plain function
#define JACKDAW_CHECK(...) JACKDAW_CHECK_IMPL(JACKDAW_CONCAT(try_, __LINE__), return, __VA_ARGS__)
/// JACKDAW_CO_CHECK(co_await fence(call, epoch)); for a Result<void> in a coroutine
#define JACKDAW_CO_CHECK(...)                                                                      \
    JACKDAW_CHECK_IMPL(JACKDAW_CONCAT(try_, __LINE__), co_return, __VA_ARGS__)
/// JACKDAW_CO_TRY(auto lsn, co_await replay_position(db)); in a coroutine
#define JACKDAW_CO_TRY(decl, ...)                                                                  \
    JACKDAW_TRY_IMPL(JACKDAW_CONCAT(try_, __LINE__), co_return, decl, __VA_ARGS__)
