// Tries every settable parameter of the real server at its borders: what Parameters::check() and
// check_together() take, SET GLOBAL and a start must take, too, and read back as it was written.
// Its findings are the tables in plugins/mariadb/parameter_rules.cpp. Some minutes, hence not in a
// plain run (label `sweep`).
//
// A start is tried with many parameters at once and with half of them where it goes wrong, down to
// the one that is to blame.

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <catch2/catch.hpp>

#include "tests/real/datastore_contract.h"

using namespace jackdaw;
using namespace jackdaw::test;

namespace {

using Known = std::vector<proto::Parameter>;
using Wish = std::vector<std::pair<std::string, std::string>>; ///< canonical

std::uint64_t number(const std::string& text, std::uint64_t otherwise) {
    return text.empty() || text[0] == '-' ? otherwise : std::stoull(text);
}

std::vector<std::string> integers(const proto::Parameter& one) {
    const auto min = number(one.min, 0);
    const auto max = number(one.max, ~std::uint64_t{0});
    const auto step = std::max<std::uint64_t>(number(one.step, 1), 1);
    std::vector<std::string> values{one.min, one.max, "0", "1", "100", "1000", "-1", "-2"};
    for (const auto value :
         {min + 1, min + step, min + 2 * step, max - step, max - 1, max / 2, max / 2 / step * step,
          min * 2, min * 4, (min + 1) / 2, max / 4 * 3, number(one.default_value, min) * 2,
          std::uint64_t{1} << 20U, std::uint64_t{1} << 24U}) {
        values.push_back(std::to_string(value));
    }
    if (max != ~std::uint64_t{0}) {
        values.push_back(std::to_string(max + 1));
    }
    values.push_back("18446744073709551616");
    return values;
}

std::vector<std::string> texts(const std::string& name) {
    static const std::map<std::string, std::vector<std::string>> known{
        {"character_set_filesystem", {"binary", "utf8", "latin1", "utf8mb4", "no"}},
        {"character_set_server", {"utf8mb4", "utf8", "latin1", "ucs2", "utf32", "big5", "no"}},
        {"collation_server", {"utf8mb4_bin", "utf8mb4_uca1400_ai_ci", "no"}},
        {"lc_messages", {"en_US", "de_DE", "ja_JP", "xx_YY"}},
        {"lc_time_names", {"en_US", "de_DE", "no_NO", "sr_YU", "el_GR", "xx_YY"}},
        {"time_zone",
         {"SYSTEM", "+00:00", "-12:59", "+14:00", "+13:00", "-13:00", "+14:01", "+5:00"}},
        {"ft_boolean_syntax", {" +-><()~*:\"\"&|", "+ -><()~*:''&|", "abc"}},
        {"init_connect", {"", "SET @a = 'x\\y\"z#'", " SET @b = 1 ", "DO 1; DO 2"}},
        {"session_track_system_variables", {"*", "", "time_zone,autocommit", "nothing"}},
        {"innodb_temp_data_file_path",
         {"ibtmp1:12M:autoextend:max:64M", "ibtmp1:12M:autoextend", "ibtmp1:12M", "a:1M",
          "t1:12M;t2:12M:autoextend:max:1G", "ibtmp1:12M:autoextend:max:1G:x"}},
    };
    const auto found = known.find(name);
    return found != known.end() ? found->second
                                : std::vector<std::string>{"", "x", "a \"b\" 'c' \\d #e"};
}

std::vector<std::string> candidates(const proto::Parameter& one) {
    std::vector<std::string> values{one.default_value};
    if (one.type == "integer") {
        values = integers(one);
        values.push_back(one.default_value);
    } else if (one.type == "real") {
        values = {one.min, one.max, "0", "0.5", "1", "0.000001", "0.0000001", "50", "7.25", "1e3"};
    } else if (one.type == "boolean") {
        values = {"ON", "OFF", "1", "yes", "maybe"};
    } else if (one.type == "enumeration" && !one.allowed.empty()) {
        values = one.allowed;
        values.insert(values.end(), {"0", "1", "bogus", "99"});
    } else if (one.type == "set" && one.default_value.find('=') != std::string::npos) {
        values = {""};
        for (const auto& flag : one.allowed) {
            values.insert(values.end(), {flag + "=on", flag + "=OFF"});
        }
    } else if (one.type == "set") {
        values = one.allowed;
        std::string all;
        for (const auto& word : one.allowed) {
            all += (all.empty() ? "" : ",") + word;
        }
        values.insert(values.end(), {"", all, one.default_value, "bogus"});
        for (std::size_t i = 1; i < one.allowed.size(); ++i) {
            values.push_back(one.allowed[0] + "," + one.allowed[i]);
        }
    } else {
        values = texts(one.name);
    }
    return values;
}

struct Finding {
    std::string how, name, value, what;
};

class Sweep {
public:
    explicit Sweep(Server& server) : server_{server}, facet_{*server.store().parameters()} {}

    void run() {
        known_ = list();
        for (const auto* name : {"open_files_limit", "table_open_cache_instances"}) {
            std::cout << name << " = " << find(known_, name).current << std::endl;
        }
        std::map<std::string, std::vector<std::string>> accepted;
        for (const auto& one : known_) {
            if (!one.settable || one.name == "innodb_ft_server_stopword_table" ||
                one.name == "innodb_ft_user_stopword_table") { // they name a table
                continue;
            }
            for (const auto& value : candidates(one)) {
                const auto checked = facet_.check(known_, one.name, value);
                if (!checked) {
                    ++refused_;
                    continue;
                }
                auto& values = accepted[one.name];
                auto place = server_.place();
                place.parameters = {{one.name, checked->second}};
                if (std::find(values.begin(), values.end(), checked->second) == values.end() &&
                    facet_.check_together(known_, place)) {
                    values.push_back(checked->second);
                }
            }
            if (accepted[one.name].empty()) {
                found({"check", one.name, one.default_value, "takes nothing"});
            }
        }
        for (const auto& [name, values] : accepted) {
            for (const auto& value : values) {
                try_set(name, value);
            }
        }
        std::size_t most = 0;
        for (const auto& [name, values] : accepted) {
            most = std::max(most, values.size());
            tried_ += values.size();
        }
        for (std::size_t round = 0; round < most; ++round) {
            Wish wish;
            for (const auto& [name, values] : accepted) {
                if (round < values.size()) {
                    wish.emplace_back(name, values[round]);
                }
            }
            try_start(wish);
        }
    }
    void report() const {
        std::cout << "accepted " << tried_ << ", refused " << refused_ << ", starts " << starts_
                  << ", findings " << findings_ << '\n';
    }
    [[nodiscard]] std::size_t findings() const { return findings_; }
    [[nodiscard]] std::size_t tried() const { return tried_; }

private:
    void found(const Finding& one) {
        ++findings_;
        std::cout << one.how << '\t' << one.name << '\t' << one.value << '\t'
                  << one.what.substr(0, 300) << std::endl; // at once: the run is long
    }
    Known list() {
        const AsAgent agent;
        auto known = facet_.list(plenty(), server_.place());
        INFO((known ? std::string{} : known.error().to_string()));
        REQUIRE(known.has_value());
        return *known;
    }
    const proto::Parameter& find(const Known& known, const std::string& name) {
        const auto found = std::find_if(known.begin(), known.end(),
                                        [&](const auto& one) { return one.name == name; });
        REQUIRE(found != known.end());
        return *found;
    }

    void try_set(const std::string& name, const std::string& value) {
        const auto& one = find(known_, name);
        if (one.restart) {
            return;
        }
        const AsAgent agent;
        auto wanted = server_.place();
        wanted.parameters = {{name, value}};
        const auto applied = facet_.apply(plenty(), wanted, {name});
        if (!applied) {
            found({"set", name, value, applied.error().to_string()});
        } else if (applied->empty()) {
            auto seen = facet_.list(plenty(), wanted);
            if (!seen) {
                found({"set", name, value, "list: " + seen.error().to_string()});
            } else if (find(*seen, name).pending || find(*seen, name).source != "configured") {
                found({"set", name, value, "reads " + find(*seen, name).current});
            }
            // A session of the new global values works.
            server_.store().release();
            if (const auto again = server_.store().adopt(plenty(), server_.place()); !again) {
                found({"set", name, value, "login: " + again.error().to_string()});
            }
        }
        if (const auto back = facet_.apply(plenty(), server_.place(), {name}); !back) {
            found({"unset", name, value, back.error().to_string()});
        }
    }

    void halve(const Wish& wish) {
        const auto middle = wish.begin() + static_cast<std::ptrdiff_t>(wish.size() / 2);
        try_start({wish.begin(), middle});
        try_start({middle, wish.end()});
    }

    void try_start(const Wish& wish) {
        if (wish.empty()) {
            return;
        }
        auto place = server_.place();
        place.parameters = {wish.begin(), wish.end()};
        if (wish.size() > 1 && !facet_.check_together(known_, place)) {
            halve(wish);
            return;
        }
        if (server_.is_running()) {
            server_.store().release();
            if (server_.stop(SIGTERM) != 0) {
                found({"stop", wish[0].first, wish[0].second, "status"});
            }
        }
        ++starts_;
        std::cerr << "start " << starts_ << " with " << wish.size() << ", first " << wish[0].first
                  << " = " << wish[0].second.substr(0, 40) << "\n";
        server_.set_parameters(place.parameters);
        const auto rendered = server_.store().render(place);
        if (!rendered) {
            if (wish.size() > 1) {
                halve(wish);
            } else {
                found({"render", wish[0].first, wish[0].second, rendered.error().to_string()});
            }
            return;
        }
        server_.write_config(*rendered);
        const auto job = server_.store().check_config_job(place);
        const auto ended = server_.run(*job);
        std::string what;
        if (const auto judged = server_.store().judge_config(ended.status, ended.output); !judged) {
            what = "scratch: " + judged.error().to_string();
        } else {
            try {
                server_.start();
            } catch (const std::exception& error) {
                const std::string text = error.what(); // the whole log: its end
                const auto from = text.rfind("Starting MariaDB");
                const auto at = text.find("[ERROR]", from == std::string::npos ? 0 : from);
                what = "start: " + text.substr(at == std::string::npos ? from : at, 250);
                if (server_.is_running()) {
                    server_.stop(SIGKILL);
                }
            }
        }
        if (what.empty()) {
            for (const auto& one : list()) {
                if (one.settable && one.default_value != find(known_, one.name).default_value &&
                    defaults_.insert(one.name).second) {
                    found({"default", one.name, one.current, "is now " + one.default_value});
                }
                if (!one.is_configured || !one.pending) {
                    continue;
                }
                if (wish.size() == 1) {
                    what = "reads " + one.current;
                } else {
                    try_start({{one.name, one.configured}});
                }
            }
        } else if (wish.size() > 1) {
            halve(wish);
            what.clear();
        }
        if (!what.empty()) {
            std::replace(what.begin(), what.end(), '\n', ' ');
            found({"start", wish[0].first, wish[0].second, what});
        }
        server_.set_parameters({});
        if (!server_.is_running()) {
            server_.start();
        }
    }

    Server& server_;
    plugins::Parameters& facet_;
    Known known_;
    std::set<std::string> defaults_; ///< told of once
    std::size_t findings_ = 0, refused_ = 0, tried_ = 0;
    int starts_ = 0;
};

} // namespace

TEST_CASE("what check() takes of every settable parameter, MariaDB takes as it is") {
    Server* const server = server_of("mariadb");
    if (server == nullptr) {
        return;
    }
    Sweep sweep{*server};
    try {
        sweep.run();
    } catch (const std::exception& error) { // its text is the server's whole log
        std::cout << "ended early" << std::endl;
        FAIL("the server did not come back without settings");
    }
    sweep.report();
    REQUIRE(sweep.tried() > 1000);
    REQUIRE(sweep.findings() == 0);
}
