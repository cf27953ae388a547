#pragma once
// The real ways to an agent, and the hand-over's signature.

#include <memory>

#include "coordinator/commands/session.h"

namespace jackdaw::cli {

[[nodiscard]] std::unique_ptr<Connector> make_connector(Folders folders);

/// The statement {fleet, instance id, name, both keys} signed by the operator, as the agent reads
/// it from its files.
[[nodiscard]] Result<SignedFleetFiles> sign_statement(const OperatorKeys& keys,
                                                      const AgentIdentity& agent);

} // namespace jackdaw::cli
