#pragma once
// The fake's server: one thread, poll(2), lines of words on a UNIX socket (administration: root,
// the server's own user and the admin user) and on TCP (after LOGIN).
//
//   PING | VERSION                      OK …                       anybody
//   CROWD                               OK now max, of TCP         anybody
//   LOGIN name password                 OK                         TCP
//   PUT key value | GET key | COUNT     OK | OK value | OK n       after LOGIN, or local
//   WAIT ms                             OK, later              after LOGIN, or local
//   STATUS                              OK starts n                local, as all below
//   PARAMS | SET name value             n lines "name value source"
//   MKDB name charset collation | RMDB name | LSDB
//   MKUSER name host verifier database… | RMUSER name host | PASSWD name host verifier | LSUSER
//   GRANT|REVOKE name host database 0|1 privilege… | GRANTS name host
//   ALTER name host new-name new-host 0|1|- connections|-
//   ROOT | ROOT off|standard|superuser verifier  root, who logs in; a superuser administrates
//   LSSESS | KILL id session|query      its own sessions are those over the UNIX socket
// and LOG (fake_logs.h). A list is "OK n" and n lines. A refusal is "ERR
// exists|absent|full|failed|denied|limit|interrupted|locked|malformed".

#include <cstdint>
#include <string>

namespace jackdaw::fake {

struct Options;

struct ServeAt {
    std::string folder;
    std::string socket_path;
    std::uint16_t port = 0;
    std::string bind_address = "127.0.0.1"; ///< IPv4
    std::string log_folder;                 ///< empty: no general log
    std::string admin_user;                 ///< looked up in /etc/passwd; or a uid
    std::string config_path;                ///< fake.conf; empty: every parameter's default
};

inline constexpr int tcp_connections_max = 32;
/// Beside those: the agent gets in when tenants have used all others.
inline constexpr int local_connections_max = 4;

/// The process's exit status: 0 after SIGTERM, exit_half_made, exit_started_twice, 1 otherwise.
int serve(const ServeAt& at, const Options& options);

} // namespace jackdaw::fake
