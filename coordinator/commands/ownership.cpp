#include "coordinator/commands/ownership.h"

namespace jackdaw::cli {

cloud::GcRequest Ownership::request(bool dry_run) {
    cloud::GcRequest request;
    request.dry_run = dry_run;
    request.owned = [this](const cloud::Tags& tags, bool complete) {
        return owned(tags, complete);
    };
    for (const auto& record : journal_.load_all()) {
        const bool took_over = !record.request.attach_serial.empty();
        if (took_over && !record.deletion && record.operation.status == "done") {
            request.owned_volumes.insert(record.volume_id);
        }
    }
    return request;
}

bool Ownership::owned(const cloud::Tags& tags, bool complete) {
    auto record = journal_.find(tags.operation);
    if (!record) {
        return complete; // another operator's, or an old one: what is whole is somebody's
    }
    const auto name = record->request.name;
    auto held = locks_.find(name);
    if (held == locks_.end()) {
        if (auto lock = journal_.lock(name)) {
            held = locks_.emplace(name, *std::move(lock)).first;
            record = journal_.find(tags.operation); // who had it may just have ended
        }
    }
    if (!record || !is_orphan(*record, held == locks_.end())) {
        return true;
    }
    orphans_.push_back(tags.operation);
    return false;
}

} // namespace jackdaw::cli
