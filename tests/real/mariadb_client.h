#pragma once
// The server's own word, beside what the driver says.

#include <mysql.h>

#include <map>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/real/datastore_contract_checks.h"

namespace jackdaw::test {

/// A plain client over the UNIX socket, as whoever the process is just now.
class Client {
public:
    explicit Client(const Server& server, const std::string& user)
        : session_{::mysql_init(nullptr)} {
        const auto socket = server.place().run_folder + "/mysqld.sock";
        in_ = ::mysql_real_connect(session_, nullptr, user.c_str(), nullptr, nullptr, 0,
                                   socket.c_str(), 0) != nullptr;
    }
    /// Over TCP.
    Client(const Server& server, const std::string& user, const std::string& password)
        : session_{::mysql_init(nullptr)} {
        in_ = ::mysql_real_connect(session_, "127.0.0.1", user.c_str(), password.c_str(), nullptr,
                                   server.place().port, nullptr, 0) != nullptr;
    }
    ~Client() { ::mysql_close(session_); }
    Client(const Client&) = delete;
    Client& operator=(const Client&) = delete;

    [[nodiscard]] bool is_in() const { return in_; }
    /// First column of each row.
    std::vector<std::string> ask(const std::string& sql) {
        INFO(sql);
        const bool fine = ::mysql_real_query(session_, sql.data(), sql.size()) == 0;
        INFO(::mysql_error(session_));
        REQUIRE(fine);
        std::vector<std::string> column;
        if (MYSQL_RES* const result = ::mysql_store_result(session_); result != nullptr) {
            while (MYSQL_ROW const row = ::mysql_fetch_row(result)) {
                column.emplace_back(row[0] != nullptr ? row[0] : "NULL");
            }
            ::mysql_free_result(result);
        }
        return column;
    }

    /// Each row as one text.
    std::vector<std::string> rows(const std::string& sql) {
        REQUIRE(error_of(sql) == 0);
        return rows_;
    }
    /// 0: it was done.
    unsigned error_of(const std::string& sql) {
        INFO(sql);
        rows_.clear();
        if (::mysql_real_query(session_, sql.data(), sql.size()) != 0) {
            return ::mysql_errno(session_);
        }
        if (MYSQL_RES* const result = ::mysql_store_result(session_); result != nullptr) {
            const auto columns = ::mysql_num_fields(result);
            while (MYSQL_ROW const row = ::mysql_fetch_row(result)) {
                std::string line;
                for (unsigned i = 0; i < columns; ++i) {
                    line += std::string{i == 0 ? "" : "|"} + (row[i] != nullptr ? row[i] : "NULL");
                }
                rows_.push_back(std::move(line));
            }
            ::mysql_free_result(result);
        }
        return ::mysql_errno(session_);
    }

private:
    std::vector<std::string> rows_;
    MYSQL* session_;
    bool in_ = false;
};

inline std::string doubled(const std::string& text, char quote) {
    std::string quoted{quote};
    for (const char c : text) {
        quoted.append(c == quote ? 2 : 1, c);
    }
    return quoted + quote;
}

/// Everything that MariaDB knows of accounts and their rights, but times, by account.
inline std::multimap<std::string, std::string> catalogue(Client& client) {
    std::multimap<std::string, std::string> known;
    const std::vector<std::string> selects{
        "SELECT CONCAT(User, '@', Host), 'global', JSON_REMOVE(Priv, '$.password_last_changed', "
        "'$.version_id') FROM mysql.global_priv",
        "SELECT CONCAT(User, '@', Host), 'db', d.* FROM mysql.db d",
        "SELECT CONCAT(User, '@', Host), 'table', Db, Table_name, Table_priv, Column_priv FROM "
        "mysql.tables_priv",
        "SELECT CONCAT(User, '@', Host), 'column', Db, Table_name, Column_name, Column_priv FROM "
        "mysql.columns_priv",
        "SELECT CONCAT(User, '@', Host), 'routine', Db, Routine_name, Proc_priv FROM "
        "mysql.procs_priv",
        "SELECT CONCAT(User, '@', Host), 'role', Role, Admin_option FROM mysql.roles_mapping",
        "SELECT CONCAT(User, '@', Host), 'proxy', Proxied_user, With_grant FROM mysql.proxies_priv",
    };
    for (const auto& select : selects) {
        for (const auto& row : client.rows(select)) {
            const auto bar = row.find('|');
            known.emplace(row.substr(0, bar), row.substr(bar + 1));
        }
    }
    return known;
}

inline std::multimap<std::string, std::string>
without(std::multimap<std::string, std::string> known, const std::vector<std::string>& accounts) {
    for (const auto& account : accounts) {
        known.erase(account);
    }
    return known;
}

} // namespace jackdaw::test

/// The case's server, or the end of the case (server_of() has printed why).
#define MARIADB(server, store)                                                                     \
    Server* const server_pointer = server_of("mariadb");                                           \
    if (server_pointer == nullptr) {                                                               \
        return;                                                                                    \
    }                                                                                              \
    Server& server = *server_pointer;                                                              \
    plugins::Datastore& store = server.store();                                                    \
    const AsAgent agent
