#include "coordinator/commands/terms.h"

#include <algorithm>
#include <iterator>

#include "coordinator/commands/command_table.h"

namespace jackdaw::cli {

const std::vector<TermRow>& term_table() {
    static const std::vector<TermRow> terms{
        {"member", "list", "alive", "it is heard, by this agent or by others"},
        {"member", "list", "suspect",
         "others found it silent; down some seconds later, unless it speaks up"},
        {"member", "list", "down", "it did not speak up; alive again as soon as it does"},
        {"member", "list", "left",
         "it said that it leaves, as when its instance is deleted, or an operator had it "
         "forgotten"},
        {"member", "list", "ZONE RTT",
         "mean round trip of this agent's pings to members of the same zone"},
        {"member", "list", "SINCE", "when this agent saw it become what STATUS says"},
        {"member", "list", "INCARNATION",
         "number of what it says of itself; it raises it to refute who calls it suspect or down"},
        {"member", "why", "probe", "CAUSE: the agent's own probe of it got no answer"},
        {"member", "why", "heard", "CAUSE: another member, WHO, told it as news"},
        {"member", "why", "sync", "CAUSE: found when the agent compared what it knows with WHO"},
        {"member", "why", "timer", "CAUSE: it was suspect and did not speak up in time"},
        {"member", "why", "itself", "CAUSE: it said so itself"},
        {"member", "why", "operator", "CAUSE: `jackdaw member forget`"},
        {"member", "why", "withdrawn",
         "CAUSE: the agent suspected it while it heard nobody, and hears others again"},
        {"doctor", "", "isolated",
         "what gossip calls an agent that hears no other: it is cut off, or all of them are down"},
        {"doctor", "", "twin",
         "another machine with the same keys, a copy: one of both falls silent in the fleet"},
    };
    return terms;
}

std::vector<TermRow> terms_of(const CommandRow& row) {
    std::vector<TermRow> own;
    std::ranges::copy_if(term_table(), std::back_inserter(own), [&](const TermRow& one) {
        return one.noun == row.noun && one.verb == row.verb;
    });
    return own;
}

} // namespace jackdaw::cli
