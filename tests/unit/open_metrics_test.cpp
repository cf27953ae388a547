// The text of metrics, byte by byte.
#include <limits>

#include <catch2/catch.hpp>

#include "proto/wire/open_metrics.h"

using namespace jackdaw::proto;

namespace {

MetricFamily family(std::string name, std::string type, std::vector<MetricSample> samples,
                    std::string help = {}) {
    return {std::move(name), std::move(type), std::move(help), std::move(samples)};
}

std::string text(const std::vector<MetricFamily>& families, std::size_t expected_left_out = 0) {
    std::size_t left_out = 99;
    auto written = open_metrics_text(families, &left_out);
    CHECK(left_out == expected_left_out);
    return written;
}

} // namespace

TEST_CASE("nothing is an exposition, too") {
    CHECK(text({}) == "# EOF\n");
}

TEST_CASE("each type has its suffixes, a unit where its name says one, and help") {
    CHECK(text({
              family("up", "gauge", {{"", {}, 1}}, "Whether it answers."),
              family("reads", "counter", {{"_total", {{"kind", "a"}}, 3}, {"_total", {}, 0.5}}),
              family("wait_seconds", "counter", {{"_total", {}, 1e21}}),
              family("size_bytes", "unknown", {{"", {}, 18446744073709551615.0}}),
              family("version", "info", {{"_info", {{"version", "1"}}, 1}}),
              family("took_seconds", "histogram",
                     {{"_bucket", {{"le", "0.1"}}, 1},
                      {"_bucket", {{"le", "+Inf"}}, 2},
                      {"_sum", {}, 0.25},
                      {"_count", {}, 2}}),
          }) ==
          "# TYPE up gauge\n# HELP up Whether it answers.\nup 1\n"
          "# TYPE reads counter\nreads_total{kind=\"a\"} 3\nreads_total 0.5\n"
          "# TYPE wait_seconds counter\n# UNIT wait_seconds seconds\nwait_seconds_total 1e+21\n"
          "# TYPE size_bytes unknown\n# UNIT size_bytes bytes\nsize_bytes "
          "1.8446744073709552e+19\n"
          "# TYPE version info\nversion_info{version=\"1\"} 1\n"
          "# TYPE took_seconds histogram\n# UNIT took_seconds seconds\n"
          "took_seconds_bucket{le=\"0.1\"} 1\ntook_seconds_bucket{le=\"+Inf\"} 2\n"
          "took_seconds_sum 0.25\ntook_seconds_count 2\n"
          "# EOF\n");
}

TEST_CASE("numbers that are none are spelt as the text has them") {
    const auto infinity = std::numeric_limits<double>::infinity();
    CHECK(text({family("a", "gauge",
                       {{"", {{"n", "1"}}, infinity},
                        {"", {{"n", "2"}}, -infinity},
                        {"", {{"n", "3"}}, std::nan("")},
                        {"", {{"n", "4"}}, -0.125}})}) ==
          "# TYPE a gauge\na{n=\"1\"} +Inf\na{n=\"2\"} -Inf\na{n=\"3\"} NaN\na{n=\"4\"} -0.125\n"
          "# EOF\n");
}

TEST_CASE("values and help can end neither their quotes nor their line, and are UTF-8") {
    CHECK(text({family("a", "gauge", {{"", {{"l", "q\"b\\n\nx \xc3\xa4\xff\xed\xa0\x80"}}, 1}},
                       "two\nlines \"and\" \\")}) ==
          "# TYPE a gauge\n# HELP a two\\nlines \\\"and\\\" \\\\\n"
          "a{l=\"q\\\"b\\\\n\\nx \xc3\xa4\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"} 1\n"
          "# EOF\n");
}

TEST_CASE("what readers would refuse the whole for is left out and counted") {
    const MetricSample one{"", {}, 1};
    for (const auto* name : {"", "1a", "a b", "a-b", "a{", "\xc3\xa4", "a\n"}) {
        INFO(name);
        CHECK(text({family(name, "gauge", {one})}, 1) == "# EOF\n");
        CHECK(text({family("x", "gauge", {{"", {{name, "v"}}, 1}})}, 1) ==
              "# TYPE x gauge\n# EOF\n");
    }
    CHECK(text({family("x", "gage", {one, one})}, 2) == "# EOF\n");
    CHECK(text({family("x", "gauge", {{"_total", {}, 1}})}, 1) == "# TYPE x gauge\n# EOF\n");
    CHECK(text({family("x", "counter", {one})}, 1) == "# TYPE x counter\n# EOF\n");
    CHECK(text({family("x", "counter", {{"_total", {}, -1}})}, 1) == "# TYPE x counter\n# EOF\n");
    CHECK(text({family("x", "counter", {{"_total", {}, std::nan("")}})}, 1) ==
          "# TYPE x counter\n# EOF\n");
    CHECK(text({family("x", "info", {{"_info", {}, 2}})}, 1) == "# TYPE x info\n# EOF\n");
    CHECK(text({family("x", "gauge", {{"", {{"__name__", "y"}}, 1}})}, 1) ==
          "# TYPE x gauge\n# EOF\n");
    CHECK(text({family("x", "gauge", {{"", {{"a", "1"}, {"a", "2"}}, 1}})}, 1) ==
          "# TYPE x gauge\n# EOF\n");
    CHECK(text({family("x", "gauge", {one, one})}, 1) == "# TYPE x gauge\nx 1\n# EOF\n");
}

TEST_CASE("no two families give samples of one name") {
    const MetricSample one{"", {}, 1};
    const MetricSample total{"_total", {}, 1};
    CHECK(text({family("x", "gauge", {one}), family("x", "unknown", {one})}, 1) ==
          "# TYPE x gauge\nx 1\n# EOF\n");
    CHECK(text({family("x", "counter", {total}), family("x_total", "gauge", {one}),
                family("x_created", "gauge", {one})},
               2) == "# TYPE x counter\nx_total 1\n# EOF\n");
    CHECK(text({family("x_total", "gauge", {one}), family("x", "counter", {total})}, 1) ==
          "# TYPE x_total gauge\nx_total 1\n# EOF\n");
}
