// The pure parts of the local provider's network: addresses, names, rules.
#include <array>

#include <catch2/catch.hpp>

#include "coordinator/cloud/local/cut_rules.h"
#include "coordinator/cloud/local/layout.h"
#include "coordinator/cloud/local/subnet.h"

using namespace jackdaw;
using namespace jackdaw::cloud::local;

TEST_CASE("networks are read strictly and written as they were read") {
    for (const char* text : {"10.1.2.0/24", "0.0.0.0/0", "255.255.255.255/32", "10.64.0.0/10"}) {
        CHECK(format_prefix(*parse_prefix(text)) == text);
    }
    CHECK(parse_prefix("10.1.2.3")->length == 32);
    for (const char* text :
         {"", "/", "10.1.2/24", "10.1.2.0/", "10.1.2.0/33", "10.1.2.0/024", "10.1.2.1/24",
          "010.1.2.0/24", "10.1.2.256/32", "10.1.2.0.0/24", "10.1.2.0/24 ", " 10.1.2.0/24",
          "-1.0.0.0/8", "a.b.c.d", "10.1.2.", "...", "10.1.2.0/-1", "+1.2.3.4"}) {
        INFO(text);
        CHECK(parse_prefix(text).error().code() == Errc::invalid);
    }
}

TEST_CASE("an address is in the network of its prefix") {
    CHECK(network_of({*parse_address("10.1.2.17"), 24}) == *parse_prefix("10.1.2.0/24"));
    CHECK(network_of({*parse_address("10.1.2.17"), 32}) == *parse_prefix("10.1.2.17/32"));
    CHECK(network_of({*parse_address("10.1.2.17"), 0}) == *parse_prefix("0.0.0.0/0"));
}

TEST_CASE("machines get no address out of a network that is for no host") {
    for (const char* text : {"10.1.2.0/24", "192.168.7.0/24", "172.16.0.0/24", "203.0.113.0/24"}) {
        CHECK(is_for_hosts(*parse_prefix(text)));
    }
    for (const char* text : {"0.0.0.0/24", "127.0.0.0/24", "169.254.7.0/24", "224.0.0.0/24",
                             "239.1.2.0/24", "240.0.0.0/24", "255.255.255.0/24", "0.0.0.0/0"}) {
        INFO(text);
        CHECK_FALSE(is_for_hosts(*parse_prefix(text)));
    }
}

TEST_CASE("a subnet is chosen clear of everything that the host uses, and the same one for the "
          "same fleet") {
    const auto first = choose_subnet(7, {});
    REQUIRE(first);
    CHECK(first->length == 24);
    CHECK(*choose_subnet(7, {}) == *first);
    CHECK(overlap(*parse_prefix("10.64.0.0/10"), *first));

    // The first choice itself, a wider network around it, one host within it.
    for (const Prefix& other :
         {*first, Prefix{first->address & 0xFFFF0000U, 16}, Prefix{first->address + 9, 32}}) {
        const auto second = choose_subnet(7, std::array{other});
        REQUIRE(second);
        CHECK_FALSE(overlap(*second, other));
    }
    CHECK(*choose_subnet(7, std::array{Prefix{0, 0}}) == *first); // a default route uses nothing
    CHECK(choose_subnet(7, std::array{*parse_prefix("10.0.0.0/8")}).error().id() ==
          Code::no_subnet);
}

TEST_CASE("addresses are given from the lowest free one until none is left") {
    const Prefix subnet = *parse_prefix("10.70.0.0/24");
    std::vector<std::uint32_t> taken;
    for (std::uint32_t host = first_machine_host; host <= last_machine_host; ++host) {
        const auto address = choose_address(subnet, taken);
        REQUIRE(address);
        REQUIRE(*address == subnet.address + host);
        taken.push_back(*address);
    }
    CHECK(choose_address(subnet, taken).error().code() == Errc::exhausted);
    taken.erase(taken.begin() + 3);
    CHECK(*choose_address(subnet, taken) == subnet.address + first_machine_host + 3);
}

TEST_CASE("names in the kernel fit, tell fleets and state folders apart, and are known again") {
    const Layout one{"/state", "prod"};
    const Layout two{"/state", "test"};
    const Layout three{"/other", "prod"};
    CHECK(one.tag() == Layout{"/state", "prod"}.tag());
    CHECK(one.tag() != two.tag());
    CHECK(one.tag() != three.tag());
    CHECK(one.bridge().size() <= 15); // IFNAMSIZ with its NUL is 16
    const std::uint32_t address = *parse_address("10.70.0.254");
    CHECK(one.veth(address).size() <= 15);
    CHECK(one.host_of(one.veth(address)) == 254U);
    CHECK_FALSE(two.host_of(one.veth(address)));
    CHECK_FALSE(one.host_of(one.bridge()));
    CHECK_FALSE(one.host_of("jk" + one.tag() + "-"));
    CHECK_FALSE(one.host_of("jk" + one.tag() + "-256"));
    CHECK_FALSE(one.host_of("jk" + one.tag() + "-1x"));
    const auto mac = one.mac(address);
    CHECK((mac[0] & 3U) == 2U); // locally administered, not multicast
    CHECK(mac != one.mac(address - 1));
    CHECK(mac != two.mac(address));
}

TEST_CASE("a cut is rules line by line on the host's end, both ways unless it is one-way") {
    CutRules rules{.table = "jk0-10",
                   .device = "jk0-10",
                   .peer = std::nullopt,
                   .one_way = false,
                   .percent = 100};
    CHECK(cut_text(rules) ==
          "add table netdev jk0-10\n"
          "delete table netdev jk0-10\n"
          "table netdev jk0-10 {\n"
          "  chain ingress {\n"
          "    type filter hook ingress device \"jk0-10\" priority -500; policy accept;\n"
          "    drop\n"
          "  }\n"
          "  chain egress {\n"
          "    type filter hook egress device \"jk0-10\" priority -500; policy accept;\n"
          "    drop\n"
          "  }\n"
          "}\n");
    rules.one_way = true;
    CHECK(cut_text(rules).find("egress") == std::string::npos);
    rules.one_way = false;
    rules.peer = *parse_address("10.70.0.11");
    rules.percent = 10;
    const std::string text = cut_text(rules);
    CHECK(text.find("    ip daddr 10.70.0.11 numgen random mod 100 < 10 drop\n") !=
          std::string::npos);
    CHECK(text.find("    ip saddr 10.70.0.11 numgen random mod 100 < 10 drop\n") !=
          std::string::npos);
    CHECK(text.find("\n    drop\n") == std::string::npos);
}
