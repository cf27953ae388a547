#pragma once
// The server's own word, beside what the driver says.

#include <mysql.h>

#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/real/datastore_contract.h"

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

} // namespace jackdaw::test
