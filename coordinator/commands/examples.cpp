#include "coordinator/commands/examples.h"

#include <algorithm>
#include <iterator>

#include "coordinator/commands/command_table.h"

namespace jackdaw::cli {

const std::vector<ExampleRow>& example_table() {
    static const std::vector<ExampleRow> examples{
        {"fleet", "init", "jackdaw fleet init shop --flavor small=cpu=1,mem=1G",
         "a fleet with a flavor of its own"},
        {"instance", "create",
         "jackdaw instance create db1 --datastore mariadb --volume 20G --database app --user "
         "app/app --wait",
         "an instance with a database and a user of it, whose password is shown once"},
        {"instance", "create",
         "jackdaw instance create db2 --datastore mariadb --volume 1G --dry-run",
         "what would be made, without making it"},
        {"instance", "delete", "jackdaw instance delete db1 --keep-volume",
         "without its volume, which another create may attach"},
        {"instance", "resize", "jackdaw instance resize db1 --volume 40G --wait",
         "a larger volume, while the database serves"},
        {"instance", "pause", "jackdaw instance pause db1 --for 90m",
         "hands off for an hour and a half"},
        {"member", "why", "jackdaw member why db2 -o wide",
         "each change as one agent saw it: ACCUSERS found it silent; PINGS, HELPERS and NACKS are "
         "of that agent's own probe: pings without an answer, members that it asked to try, and "
         "how many of these said that they heard nothing either; HEALTH above 0 is that agent's "
         "doubt of itself, RTO MS how long it waits for an answer"},
        {"database", "create", "jackdaw database create db1 shop:utf8mb4:utf8mb4_bin",
         "with a charset and a collation"},
        {"user", "create", "jackdaw user create db1 api@10.0.%/shop,stock",
         "from these addresses, with all rights on two databases"},
        {"user", "grant", "jackdaw user grant db1 report SELECT --on shop.orders",
         "one privilege on one table"},
        {"user", "password", "jackdaw user password db1 api@10.0.% --password-file api.password",
         "from a file, instead of a generated one"},
        {"config", "parameters", "jackdaw config parameters db1 buffer pool",
         "what has both words in its name or text"},
        {"config", "set", "jackdaw config set db1 max_connections=200 long_query_time=0.5",
         "two at once"},
        {"config", "unset", "jackdaw config unset db1 max_connections", "what is computed again"},
        {"session", "kill", "jackdaw session kill db1 42 --query",
         "what session 42 runs; it stays connected"},
        {"log", "tail", "jackdaw log tail db1 slow -n 20 -f", "the last 20 lines, then the news"},
        {"events", "", "jackdaw events db1 --kind volume --weight warning --since 2h",
         "what was wrong with the volume lately"},
        {"op", "list", "jackdaw op list db1 --cause supervisor", "what its agent began by itself"},
        {"op", "abort", "jackdaw op abort 01a2 --wait", "by the beginning of its id"},
        {"machine", "shell", "jackdaw machine shell db1 -- tail -n 20 /var/log/jackdaw/agent.log",
         "the agent's own log"},
        {"connect", "", "jackdaw connect db1 --user app --database app", "the stock client"},
        {"top", "", "jackdaw top -n 3 --sort queries -o json", "three looks, for a program"},
        {"doctor", "", "jackdaw doctor db1 -o wide", "all that was looked at, the good, too"},
    };
    return examples;
}

std::vector<ExampleRow> examples_of(const CommandRow& row) {
    std::vector<ExampleRow> own;
    std::ranges::copy_if(example_table(), std::back_inserter(own), [&](const ExampleRow& one) {
        return one.noun == row.noun && one.verb == row.verb;
    });
    return own;
}

} // namespace jackdaw::cli
