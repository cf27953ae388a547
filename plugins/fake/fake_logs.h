#pragma once
// The general log of the fake's database: a line for each request, in a file that somebody else may
// rename. Part of the database, not of the driver.
//
//   LOG | LOG on | LOG off | LOG reopen      OK on, OK off       local
// A renamed file is written on until LOG reopen, as real engines have it.

#include <optional>
#include <string>
#include <string_view>

#include "plugins/fake/fake_commands.h"

namespace jackdaw::fake {

class GeneralLog {
public:
    /// `folder` empty: there is no log, and LOG on fails.
    explicit GeneralLog(std::string folder) : folder_{std::move(folder)} {}
    ~GeneralLog() { close(); }
    GeneralLog(const GeneralLog&) = delete;
    GeneralLog& operator=(const GeneralLog&) = delete;

    /// The reply to a LOG line; nullopt for any other.
    std::optional<std::string> answer(const Peer& peer, std::string_view line);
    /// Verb and first word of a request: the words behind may be secret.
    void note(std::string_view line) const;

private:
    bool open();
    void close();
    std::string folder_;
    int fd_ = -1;
};

} // namespace jackdaw::fake
