#include "proto/base/secret.h"

#include <utility>

#include <sodium.h>

namespace jackdaw {

void wipe(std::string& bytes) noexcept {
    // The whole capacity: a short-string buffer keeps old bytes behind a shorter value.
    bytes.resize(bytes.capacity());
    sodium_memzero(bytes.data(), bytes.size());
    bytes.clear();
}

Secret::Secret(std::string&& clear) : clear_(clear) {
    jackdaw::wipe(clear);
}

Secret::Secret(Secret&& other) noexcept : clear_{other.clear_} {
    other.wipe();
}

Secret& Secret::operator=(Secret&& other) noexcept {
    if (this != &other) {
        wipe();
        clear_ = other.clear_;
        other.wipe();
    }
    return *this;
}

Secret::~Secret() {
    wipe();
}

Secret Secret::copy() const {
    return Secret{std::string{clear_}};
}

void Secret::wipe() noexcept {
    jackdaw::wipe(clear_);
}

} // namespace jackdaw
