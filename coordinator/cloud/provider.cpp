#include "coordinator/cloud/provider.h"

namespace jackdaw::cloud {

std::string_view to_string(MachineState state) noexcept {
    switch (state) {
    case MachineState::making: return "making";
    case MachineState::off: return "off";
    case MachineState::on: return "on";
    case MachineState::frozen: return "frozen";
    case MachineState::damaged: return "damaged";
    }
    return "unknown";
}

} // namespace jackdaw::cloud
