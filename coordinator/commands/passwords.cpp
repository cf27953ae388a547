#include "coordinator/commands/passwords.h"

#include <algorithm>

#include <fmt/format.h>

#include "coordinator/profile/files.h"

namespace jackdaw::cli {
namespace {

constexpr std::size_t password_bytes_max = 512;
constexpr std::size_t user_file_bytes_max = 256UL * 1024;

Result<void> one_source(const Invocation& invocation) {
    if (invocation.has("--password-stdin") && invocation.has("--password-file")) {
        return Error{Errc::invalid, "--password-stdin and --password-file exclude each other"};
    }
    return ok();
}

Result<Secret> from_person(Session& session, const std::string& prompt) {
    session.terminal.err(prompt);
    return session.terminal.read_hidden_line(password_bytes_max);
}

Result<Secret> from_file(const std::string& path) {
    JACKDAW_TRY(auto text, read_given_file(path, password_bytes_max + 2));
    const auto end = std::min(text.find('\n'), text.size());
    if (text.find_first_not_of("\r\n", end) != std::string::npos) {
        wipe(text);
        return Error{Code::bad_password, "--password-file: one line, but a second follows"}
            .with_hint("`--user-file FILE` takes several users");
    }
    text.erase(end);
    if (text.ends_with('\r')) {
        text.pop_back();
    }
    return Secret{std::move(text)};
}

/// Nothing else is expected on standard input.
Result<Secret> from_input(Session& session) {
    if (session.terminal.in_is_terminal()) {
        return from_person(session, "password (it is not shown): ");
    }
    JACKDAW_TRY(auto password, session.terminal.read_line(password_bytes_max));
    if (session.terminal.in_ready()) {
        JACKDAW_TRY(const auto more, session.terminal.read_line(password_bytes_max));
        if (!more.empty()) {
            return Error{Code::bad_password, "--password-stdin: one line, but a second follows"}
                .with_hint("`--user-file FILE` takes several users");
        }
    }
    return password;
}

} // namespace

Result<GivenPassword> take_password(Session& session, const Invocation& invocation) {
    JACKDAW_CHECK(one_source(invocation));
    GivenPassword given;
    if (invocation.has("--password-stdin")) {
        JACKDAW_TRY(given.password, from_input(session));
    } else if (invocation.has("--password-file")) {
        JACKDAW_TRY(given.password, from_file(invocation.text("--password-file")));
    } else {
        given.password = new_password(session.entropy);
        given.generated = true;
    }
    JACKDAW_CHECK(check_password(given.password.reveal()));
    return given;
}

Result<Secret> ask_password(Session& session, const Invocation& invocation,
                            const std::string& prompt) {
    JACKDAW_CHECK(one_source(invocation));
    Secret password;
    if (invocation.has("--password-file")) {
        JACKDAW_TRY(password, from_file(invocation.text("--password-file")));
    } else if (session.terminal.in_is_terminal()) {
        JACKDAW_TRY(password, from_person(session, prompt));
    } else if (invocation.has("--password-stdin")) { // what follows the line is the client's
        JACKDAW_TRY(password, session.terminal.read_line(password_bytes_max));
    } else {
        return Error{Errc::invalid, "nobody is there to type the password"}.with_hint(
            "--password-stdin or --password-file FILE");
    }
    JACKDAW_CHECK(check_password(password.reveal()));
    return password;
}

Result<int> send_with_password(Session& session, const Invocation& invocation, InstanceAccess& at,
                               const proto::UserSpec& user, ApiRequest request, Conclusion end) {
    JACKDAW_TRY(auto given, take_password(session, invocation));
    request.body["password"] = given.password.reveal();
    auto accepted = send_change(session, at, request, given.generated);
    wipe(request.body["password"].get_ref<std::string&>());
    if (!accepted) {
        return std::move(accepted).error();
    }
    end.credentials.push_back(
        Credential{user.name, user.host, std::move(given.password), given.generated});
    return see_through(
        session, invocation, [&] { return at.reach.of(at.name); }, *accepted, std::move(end));
}

Result<std::vector<Credential>> take_users(Session& session, const Invocation& invocation,
                                           std::vector<proto::UserSpec>& users) {
    std::vector<Credential> credentials;
    const auto add = [&](proto::UserSpec user, Secret password, bool generated) {
        credentials.push_back(Credential{user.name, user.host, std::move(password), generated});
        users.push_back(std::move(user));
    };
    const auto& named = invocation.all("--user");
    const bool given = invocation.has("--password-stdin") || invocation.has("--password-file");
    if (given && named.size() != 1) {
        return Error{Errc::invalid,
                     "a given password goes with exactly one --user; --user-file takes many"};
    }
    for (const auto& text : named) {
        JACKDAW_TRY(auto user, parse_user(text));
        JACKDAW_TRY(auto password, take_password(session, invocation));
        add(std::move(user), std::move(password.password), password.generated);
    }
    if (invocation.has("--user-file")) {
        const auto path = invocation.text("--user-file");
        JACKDAW_TRY(auto text, read_given_file(path, user_file_bytes_max));
        auto lines = parse_user_file(text);
        wipe(text);
        if (!lines) {
            return std::move(lines).error().while_doing("read " + path);
        }
        for (auto& line : *lines) {
            const bool generated = line.password.empty();
            add(std::move(line.user),
                generated ? new_password(session.entropy) : std::move(line.password), generated);
        }
    }
    for (std::size_t i = 0; i < users.size(); ++i) {
        const auto same = [&](const proto::UserSpec& other) {
            return other.name == users[i].name && other.host == users[i].host;
        };
        if (std::any_of(users.begin(), users.begin() + static_cast<std::ptrdiff_t>(i), same)) {
            return Error{Errc::invalid,
                         fmt::format("user '{}@{}' is named twice", users[i].name, users[i].host)};
        }
    }
    return credentials;
}

} // namespace jackdaw::cli
