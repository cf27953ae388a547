// jackdaw top: how busy the instances are, again and again.

#include <algorithm>
#include <map>
#include <optional>

#include <fmt/format.h>

#include "coordinator/commands/handlers.h"
#include "coordinator/commands/instance_text.h"
#include "coordinator/commands/reach.h"
#include "coordinator/commands/screen.h"
#include "coordinator/core/load_rates.h"
#include "coordinator/core/words.h"
#include "proto/base/size.h"
#include "proto/wire/health_json.h"

namespace jackdaw::cli {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds interval_min{200}, interval_max{3'600'000};
constexpr milliseconds load_limit{2'000}; ///< one agent's silence holds the others' figures up
constexpr milliseconds first_gap{1'000};  ///< rates need two looks
constexpr std::uint64_t iterations_max = 1'000'000'000;

/// The fleet's agents, asked one after the other over connections that are kept.
class Watch {
public:
    Watch(Session& session, Reach reach) : session_{session}, reach_{std::move(reach)} {}

    Result<std::vector<LoadSample>> look() {
        std::vector<LoadSample> samples;
        if (reach_.local()) {
            samples.push_back(ask("", [&] { return reach_.any(); }));
            return samples;
        }
        JACKDAW_TRY(const auto machines, reach_.machines());
        for (const auto& machine : machines) {
            if (machine.state == cloud::MachineState::on) {
                samples.push_back(ask(machine.label, [&] { return reach_.of_machine(machine); }));
            } else {
                clients_.erase(machine.label);
                const auto state = cloud::to_string(machine.state);
                samples.push_back(silent(machine.label, fmt::format("its machine is {}", state)));
            }
        }
        return samples;
    }

private:
    static LoadSample silent(const std::string& name, std::string why) {
        LoadSample sample{name, {}, false};
        sample.load.name = name;
        sample.load.status = "unreachable";
        sample.load.reason = std::move(why);
        return sample;
    }

    LoadSample ask(const std::string& name, const std::function<Result<ClientPtr>()>& dial) {
        auto& client = clients_[name];
        if (!client) {
            auto dialled = dial();
            if (!dialled) {
                return silent(name, dialled.error().to_string());
            }
            client = *std::move(dialled);
        }
        const auto told = get(*client, "/v1/load", session_.in(load_limit));
        auto load = told ? proto::load_from(*told) : told.error().clone();
        if (!load) {
            const bool refused = !told && told.error().code() == Errc::not_found;
            if (!refused) {
                client.reset(); // a broken connection is made anew at the next look
            }
            return silent(name, load.error().to_string());
        }
        LoadSample sample{name.empty() ? load->name : name, *std::move(load), true};
        return sample;
    }

    Session& session_;
    Reach reach_;
    std::map<std::string, ClientPtr> clients_;
};

struct View {
    std::string column = "cpu";
    bool reversed = false;
    std::vector<std::string> words; ///< that a name must have in it
};

std::string percent(const std::optional<double>& value) {
    return value ? fmt::format("{:.1f}", *value) : "";
}

std::string rate(const std::optional<double>& value) {
    return value ? fmt::format("{:.1f}", *value) : "";
}

std::string size(const std::optional<std::uint64_t>& bytes) {
    return bytes ? format_size(*bytes) : "";
}

Cell disk_cell(const proto::LoadShape& load) {
    if (load.volume_size_bytes == 0) {
        return {};
    }
    const auto filled = static_cast<double>(load.volume_used_bytes) * 100 /
                        static_cast<double>(load.volume_size_bytes);
    return {fmt::format("{:.0f}% of {}", filled, format_size(load.volume_size_bytes)),
            filled >= 95   ? Style::bad
            : filled >= 80 ? Style::warning
                           : Style::plain};
}

std::string connections(const proto::LoadShape& load) {
    if (!load.database || !load.database->connections) {
        return "";
    }
    return load.database->connections_max
               ? fmt::format("{}/{}", *load.database->connections, *load.database->connections_max)
               : fmt::format("{}", *load.database->connections);
}

std::string running(const proto::LoadShape& load) {
    return load.database && load.database->running ? fmt::format("{}", *load.database->running)
                                                   : "";
}

Table table_of(const std::vector<LoadRow>& rows) {
    Table table{{{"NAME"},
                 {"STATUS"},
                 {"ROLE", true},
                 {"CPU%", false, true},
                 {"MEMORY", false, true},
                 {"DISK", false, true},
                 {"CONN", false, true},
                 {"RUN", false, true},
                 {"QUERIES/S", false, true},
                 {"SLOW/S", false, true},
                 {"AGENT%", true, true},
                 {"AGENT MEM", true, true},
                 {"WHAT IS GOING ON"}},
                {}};
    for (const auto& row : rows) {
        const auto& load = row.sample.load;
        table.rows.push_back({{row.sample.name, Style::bold},
                              {load.status, style_of_status(load.status)},
                              {load.role},
                              {percent(row.rates.cpu_percent)},
                              {size(load.database_memory_bytes)},
                              disk_cell(load),
                              {connections(load)},
                              {running(load)},
                              {rate(row.rates.queries_per_second)},
                              {rate(row.rates.slow_per_second)},
                              {percent(row.rates.agent_cpu_percent)},
                              {row.sample.answered ? format_size(load.agent_memory_bytes) : ""},
                              {doing(load)}});
    }
    return table;
}

Json item_of(const LoadRow& row) {
    const auto number = [](const std::optional<double>& value) {
        return value ? Json(*value) : Json();
    };
    auto json = proto::to_json(row.sample.load);
    json["answered"] = row.sample.answered;
    json["rates"] = {{"seconds", number(row.rates.seconds)},
                     {"cpu_percent", number(row.rates.cpu_percent)},
                     {"agent_cpu_percent", number(row.rates.agent_cpu_percent)},
                     {"queries_per_second", number(row.rates.queries_per_second)},
                     {"slow_per_second", number(row.rates.slow_per_second)}};
    return json;
}

/// The column is one that is known: it was looked at before the first look.
std::vector<LoadRow> rows_of(const View& view, const std::vector<LoadSample>& before,
                             const std::vector<LoadSample>& now) {
    auto rows = load_rows(before, now, view.words);
    (void)sort_rows(rows, view.column, view.reversed);
    return rows;
}

void print(Session& session, Format format, const std::vector<LoadRow>& rows, bool first,
           bool only) {
    Json items = Json::array();
    std::vector<std::string> unreachable;
    for (const auto& row : rows) {
        items.push_back(item_of(row));
        if (!row.sample.answered) {
            unreachable.push_back(row.sample.name);
        }
    }
    const auto list = proto::list_json("Load", std::move(items), session.now_text(), unreachable);
    if (format == Format::json && !only) { // a set is one line: who reads them knows where one ends
        session.terminal.out(render_object(list, "", Format::jsonl));
        return;
    }
    const bool separated = !first && (format == Format::table || format == Format::wide);
    session.terminal.out((separated ? "\n" : "") +
                         render_list(list, table_of(rows), format, session.terminal.colour_out()));
}

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    for (std::size_t at = 0; at < text.size();) {
        const auto end = std::min(text.find('\n', at), text.size());
        lines.push_back(text.substr(at, end - at));
        at = end + 1;
    }
    return lines;
}

void turn_column(View& view, bool forward) {
    const auto& all = load_columns();
    const auto at = static_cast<std::size_t>(std::ranges::find(all, view.column) - all.begin());
    view.column = all[(at + (forward ? 1 : all.size() - 1)) % all.size()];
    view.reversed = false;
}

/// Of words that no name has in it; empty when some do, or there is nothing to choose from.
std::string none_named(const View& view, const std::vector<LoadRow>& rows, std::size_t looked_at) {
    if (!rows.empty() || looked_at == 0 || view.words.empty()) {
        return {};
    }
    return fmt::format("of {}, the name of none has '{}' in it",
                       looked_at == 1 ? "one instance" : fmt::format("{} instances", looked_at),
                       printable(fmt::format("{}", fmt::join(view.words, "' and '"))));
}

bool draw(Session& session, Screen& screen, const View& view, milliseconds interval,
          const std::vector<LoadSample>& before, const std::vector<LoadSample>& now, bool wide) {
    const auto rows = rows_of(view, before, now);
    const auto answered = std::ranges::count(now, true, &LoadSample::answered);
    std::vector<std::string> lines{
        fmt::format("{}  {} of {} instances answer, every {}, by {}{}",
                    session.now_text().substr(11, 8), answered, now.size(),
                    format_duration(interval), view.column, view.reversed ? " (turned)" : ""),
        styled("q quit  space now  < > sort by  r turn", Style::dim, session.terminal.colour_out()),
        ""};
    const auto more = lines_of(render_table(table_of(rows), wide, session.terminal.colour_out()));
    lines.insert(lines.end(), more.begin(), more.end());
    if (auto none = none_named(view, rows, now.size()); !none.empty()) {
        lines.push_back(std::move(none));
    }
    return screen.draw(lines);
}

/// Until the person has enough, or the terminal is gone.
Result<int> live(Session& session, Watch& watch, View view, milliseconds interval, bool wide) {
    JACKDAW_TRY(const auto screen, session.terminal.open_screen());
    std::vector<LoadSample> before;
    auto gap = first_gap; // the first picture has no rates: the second comes soon
    for (;;) {
        JACKDAW_TRY(auto now, watch.look());
        if (!draw(session, *screen, view, interval, before, now, wide)) {
            return 0;
        }
        const auto until = session.in(std::min(gap, interval));
        for (bool waits = true; waits;) {
            const auto input = screen->wait(std::max(
                milliseconds{0}, std::chrono::ceil<milliseconds>(until - session.clock.now())));
            if (input.wake == Screen::Wake::gone || input.key == 'q' || input.key == 'Q' ||
                input.key == '\x04') {
                return 0;
            }
            waits = input.wake != Screen::Wake::time && input.key != ' ';
            if (input.key == '<' || input.key == '>') {
                turn_column(view, input.key == '>');
            } else if (input.key == 'r') {
                view.reversed = !view.reversed;
            }
            if (waits && !draw(session, *screen, view, interval, before, now, wide)) {
                return 0;
            }
        }
        gap = interval;
        before = std::move(now);
    }
}

Result<int> plain(Session& session, Watch& watch, const View& view, milliseconds interval,
                  std::optional<std::uint64_t> iterations, Format format) {
    JACKDAW_TRY(auto before, watch.look());
    session.clock.sleep(std::min(interval, first_gap));
    for (std::uint64_t i = 0; !iterations || i < *iterations; ++i) {
        if (i > 0) {
            session.clock.sleep(interval);
        }
        JACKDAW_TRY(auto now, watch.look());
        const auto rows = rows_of(view, before, now);
        print(session, format, rows, i == 0, iterations == std::uint64_t{1});
        if (const auto none = none_named(view, rows, now.size()); i == 0 && !none.empty()) {
            session.terminal.err(fmt::format("note: {}\n", none));
        }
        if (!session.terminal.out_arrived()) {
            return 0; // run() says so
        }
        before = std::move(now);
    }
    return 0;
}

} // namespace

Result<int> top(Session& session, const Invocation& invocation) {
    JACKDAW_TRY(const auto interval,
                parse_duration(invocation.text("--interval", "2s")).while_doing("read --interval"));
    if (interval < interval_min || interval > interval_max) {
        return Error{Errc::invalid, "--interval is 200ms to 1h"};
    }
    View view;
    view.column = invocation.text("--sort", "cpu");
    view.words = invocation.all("WORDS");
    std::vector<LoadRow> none;
    JACKDAW_CHECK(sort_rows(none, view.column, false).while_doing("read --sort"));
    std::optional<std::uint64_t> iterations;
    if (invocation.has("--iterations")) {
        JACKDAW_TRY(iterations,
                    parse_count(invocation.text("--iterations"), "--iterations", iterations_max));
    }
    JACKDAW_TRY(auto reach, Reach::find(session, invocation));
    Watch watch{session, std::move(reach)};
    const bool for_people = invocation.format == Format::table || invocation.format == Format::wide;
    if (for_people && !iterations && session.terminal.in_is_terminal() &&
        session.terminal.out_is_terminal()) {
        return live(session, watch, std::move(view), interval, invocation.format == Format::wide);
    }
    if (!iterations && !session.terminal.out_is_terminal()) {
        iterations = 1; // a script is to have an end
    }
    return plain(session, watch, view, interval, iterations, invocation.format);
}

} // namespace jackdaw::cli
