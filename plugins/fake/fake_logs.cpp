#include "plugins/fake/fake_logs.h"

#include <fcntl.h>
#include <unistd.h>

#include "plugins/fake/fake_words.h"

namespace jackdaw::fake {

std::optional<std::string> GeneralLog::answer(const Peer& peer, std::string_view line) {
    const auto words = decode_line(line);
    if (!words || words->empty() || words->front() != "LOG") {
        return std::nullopt;
    }
    if (!peer.local) {
        return "ERR denied\n";
    }
    const auto what = words->size() == 2 ? (*words)[1] : std::string{};
    const bool is_known = words->size() == 1 || what == "on" || what == "off" || what == "reopen";
    if (!is_known) {
        return "ERR malformed\n";
    }
    if (what == "off") {
        close();
    } else if ((what == "on" && fd_ < 0) || (what == "reopen" && fd_ >= 0)) {
        close();
        if (!open()) {
            return "ERR failed\n";
        }
    }
    return fd_ >= 0 ? "OK on\n" : "OK off\n";
}

void GeneralLog::note(std::string_view line) const {
    if (fd_ < 0) {
        return;
    }
    const auto verb = line.substr(0, line.find(' '));
    const auto rest = line.substr(verb.size() == line.size() ? verb.size() : verb.size() + 1);
    auto text = std::string{verb.substr(0, 64)} + " ";
    text += rest.substr(0, rest.find(' ')).substr(0, 256);
    text += "\n";
    (void)!::write(fd_, text.data(), text.size()); // a full volume costs lines, not requests
}

bool GeneralLog::open() {
    if (folder_.empty()) {
        return false;
    }
    fd_ = ::open((folder_ + "/general.log").c_str(),
                 O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0640);
    return fd_ >= 0;
}

void GeneralLog::close() {
    if (fd_ >= 0) {
        ::close(fd_);
        fd_ = -1;
    }
}

} // namespace jackdaw::fake
