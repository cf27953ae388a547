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
    const auto record = journal_.find(tags.operation);
    if (!record) {
        return complete; // another operator's, or an old one: what is whole is somebody's
    }
    if (!orphan(*record)) {
        return true;
    }
    found_.insert(tags.operation);
    return false;
}

std::optional<CreateRecord> Ownership::orphan(const CreateRecord& record) {
    const auto name = record.request.name;
    auto held = locks_.find(name);
    auto now = std::optional{record};
    if (held == locks_.end()) {
        if (auto lock = journal_.lock(name)) {
            held = locks_.emplace(name, *std::move(lock)).first;
            now = journal_.find(record.operation.id); // who had it may just have ended
        }
    }
    return now && is_orphan(*now, held == locks_.end()) ? std::move(now) : std::nullopt;
}

std::vector<CreateRecord> Ownership::orphans() {
    std::vector<CreateRecord> all;
    for (const auto& record : journal_.load_all()) {
        if (is_gone(record)) {
            continue; // no lock of what ended long ago
        }
        auto one = orphan(record);
        if (one && !is_gone(*one) && (!one->deletion || found_.contains(one->operation.id))) {
            all.push_back(*std::move(one));
        }
    }
    return all;
}

} // namespace jackdaw::cli
