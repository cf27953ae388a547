#pragma once
// One running server of a datastore, the way the agent has it: initialised and started from the
// driver's own Job and LaunchSpec under the database's uid, spoken to through the loaded plug-in
// under the agent's. Two datastores, one place each; both shared by all cases of the program, so a
// case cleans up what it makes.
//
// The fake runs anywhere. MariaDB needs root (chroot, mount namespace) and an image:
// JACKDAW_TEST_IMAGE, or the first of $XDG_DATA_HOME/jackdaw/images/*/root with a mariadbd in it;
// without one its sections are skipped, with the reason printed.

#include <sys/types.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "plugins/api/datastore.h"
#include "plugins/api/loader.h"

namespace jackdaw::test {

struct Ended {
    int status = -1; ///< exit status, or 128 + signal
    std::string output;
};

class Server {
public:
    Server(std::string datastore, std::string root, std::string folder);
    ~Server();
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;

    [[nodiscard]] const plugins::Place& place() const { return place_; }
    [[nodiscard]] plugins::Datastore& store() { return *store_; }
    [[nodiscard]] bool is_running() const { return pid_ > 0; }

    /// In the image, as the database's user.
    Ended run(const plugins::Job& job);
    void write_config(const std::vector<plugins::RenderedFile>& files);
    /// The instance's own settings, from the next start() on.
    void set_parameters(std::map<std::string, std::string> own) {
        place_.parameters = std::move(own);
    }
    /// Job, files, program; adopted when it returns. Present data is kept.
    void start();
    void signal(int number) const;
    /// Waits for the end.
    int stop(int number);

private:
    pid_t spawn(const std::vector<std::string>& argv, const std::vector<std::string>& environment,
                const std::string& folder, int output);
    std::string root_; ///< empty: the host's
    plugins::Place place_;
    plugins::LoadedDriver driver_;
    std::unique_ptr<plugins::Datastore> store_;
    pid_t pid_ = -1;
    int log_ = -1;
};

/// Loads it from the build's stage, as the one to whom that belongs.
plugins::LoadedDriver load_staged(const std::string& datastore);

/// Running and adopted; null when it cannot be here (printed once).
Server* server_of(const std::string& datastore);
inline const std::vector<std::string> datastores{"fake", "mariadb"};

/// Everything in its life happens with the agent's effective uid, when the program is root.
class AsAgent {
public:
    AsAgent();
    ~AsAgent();
    AsAgent(const AsAgent&) = delete;
    AsAgent& operator=(const AsAgent&) = delete;
};

inline plugins::Call within(std::chrono::milliseconds limit,
                            const std::atomic<bool>* cancel = nullptr) {
    return plugins::Call{std::chrono::steady_clock::now() + limit, cancel};
}
inline plugins::Call plenty() {
    return within(std::chrono::seconds{60});
}

/// Opens connections over TCP as that user; counts those that were let in. They stay open until it
/// goes.
class Clients {
public:
    Clients(Server& server, std::string user, std::string password);
    ~Clients();
    Clients(const Clients&) = delete;
    Clients& operator=(const Clients&) = delete;
    /// False: refused, for whatever reason.
    bool log_in();
    /// Over the last of them: an SQL statement, or a line of the fake. False: refused, or cut off.
    bool run(const std::string& text);
    /// Does the last of them still answer?
    bool is_alive();

private:
    Server& server_;
    std::string user_, password_;
    std::vector<void*> sessions_;
    std::vector<int> sockets_;
};

} // namespace jackdaw::test
