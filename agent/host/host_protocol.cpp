#include "agent/host/host_protocol.h"

namespace jackdaw::agent::host {
namespace {

template <std::size_t Size>
bool text_valid(const char (&field)[Size]) {
    const auto length = ::strnlen(field, Size);
    if (length == Size) {
        return false;
    }
    return std::all_of(field + length, field + Size, [](char c) { return c == '\0'; });
}

bool stamp_valid(const Stamp& stamp) {
    return text_valid(stamp.instance_id) && text_valid(stamp.datastore) &&
           text_valid(stamp.version) && stamp.sealed <= 1;
}

bool header_valid(const void* bytes, std::size_t size, std::size_t expected) {
    if (size != expected) {
        return false;
    }
    Header header;
    std::memcpy(&header, bytes, sizeof header);
    return header.magic == protocol_magic && header.version == protocol_version &&
           header.size == size && header.verb >= static_cast<std::uint16_t>(Verb::machine_file) &&
           header.verb <= static_cast<std::uint16_t>(Verb::last);
}

bool is_spawn(std::uint16_t verb) {
    return verb == static_cast<std::uint16_t>(Verb::spawn_database) ||
           verb == static_cast<std::uint16_t>(Verb::spawn_job);
}

bool plain_request_valid(const Request& request) {
    bool valid = text_valid(request.guard) && text_valid(request.serial) &&
                 text_valid(request.filesystem) && text_valid(request.uuid) &&
                 text_valid(request.take_over_id) && stamp_valid(request.stamp) &&
                 request.overwrite <= 1 && request.fleet_file <= 3 && request.port <= 65535;
    const bool files = request.header.verb == static_cast<std::uint16_t>(Verb::write_config);
    valid = valid && request.count <= (files ? config_files_max : allow_max);
    for (const auto& network : request.allow) {
        valid = valid && text_valid(network);
    }
    for (const auto& file : request.files) {
        valid = valid && text_valid(file.name) && file.size <= config_file_max_bytes;
    }
    return valid && text_valid(request.log) && request.log_owner <= 1 &&
           request.keep <= log_keep_limit;
}

template <class Message>
Message zeroed(std::uint16_t verb, std::uint32_t sequence) {
    Message message;
    std::memset(static_cast<void*>(&message), 0, sizeof message);
    message.header = Header{protocol_magic, protocol_version, verb, sequence,
                            static_cast<std::uint32_t>(sizeof message)};
    return message;
}

} // namespace

Request make_request(Verb verb, std::uint32_t sequence) {
    return zeroed<Request>(static_cast<std::uint16_t>(verb), sequence);
}

SpawnRequest make_spawn_request(Verb verb, std::uint32_t sequence) {
    return zeroed<SpawnRequest>(static_cast<std::uint16_t>(verb), sequence);
}

Reply make_reply(const Header& request) {
    return zeroed<Reply>(request.verb, request.sequence);
}

bool request_valid(const void* bytes, std::size_t size) {
    if (header_valid(bytes, size, sizeof(Request))) {
        Request request;
        std::memcpy(&request, bytes, sizeof request);
        return !is_spawn(request.header.verb) && plain_request_valid(request);
    }
    if (header_valid(bytes, size, sizeof(SpawnRequest))) {
        SpawnRequest request;
        std::memcpy(&request, bytes, sizeof request);
        return is_spawn(request.header.verb) && text_valid(request.guard) &&
               text_valid(request.datastore) && text_valid(request.job) &&
               jackdaw_spawn_request_valid(&request.spawn, sizeof request.spawn) != 0;
    }
    return false;
}

bool reply_valid(const void* bytes, std::size_t size) {
    if (!header_valid(bytes, size, sizeof(Reply))) {
        return false;
    }
    Reply reply;
    std::memcpy(&reply, bytes, sizeof reply);
    bool valid = text_valid(reply.code) && text_valid(reply.message) &&
                 text_valid(reply.hostname) && text_valid(reply.instance_id) &&
                 text_valid(reply.instance_name) && text_valid(reply.fleet) &&
                 text_valid(reply.volume_serial) && text_valid(reply.address) &&
                 text_valid(reply.plugin_folder) && text_valid(reply.device) &&
                 text_valid(reply.filesystem) && text_valid(reply.uuid) &&
                 stamp_valid(reply.stamp) && reply.has <= 1 && reply.count <= JACKDAW_INIT_GUARDS;
    for (const auto& name : reply.names) {
        valid = valid && text_valid(name);
    }
    return valid;
}

bool is_log_name(std::string_view name) noexcept {
    const auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
    return !name.empty() && name.size() <= log_name_max && is_word(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [&](char c) { return is_word(c) || c == '_' || c == '.' || c == '-'; });
}

void set_error(Reply& reply, const Error& error) {
    set_cut(reply.code, row_of(error.id()).name);
    std::string message = error.message();
    if (const auto doing = error.doing(); !doing.empty()) {
        message = doing + ": " + message;
    }
    if (error.cause()) {
        message += ": " + error.cause().message();
    }
    set_cut(reply.message, message);
}

Result<void> error_of(const Reply& reply) {
    if (reply.code[0] == '\0') {
        return ok();
    }
    const auto* row = find_code(text_of(reply.code));
    return Error{row != nullptr ? row->code : Code::internal, text_of(reply.message)};
}

} // namespace jackdaw::agent::host
