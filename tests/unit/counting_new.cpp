#include "tests/unit/counting_new.h"

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

std::atomic<std::size_t> count{0};

void* allocate(std::size_t bytes) noexcept {
    ++count;
    return std::malloc(bytes == 0 ? 1 : bytes);
}

void* allocate(std::size_t bytes, std::align_val_t alignment) noexcept {
    ++count;
    const auto unit = static_cast<std::size_t>(alignment);
    return std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
}

void* or_throw(void* got) {
    if (got == nullptr) {
        throw std::bad_alloc{};
    }
    return got;
}

} // namespace

std::size_t jackdaw::test::allocations() noexcept {
    return count;
}

// All of them, since a sanitizer brings its own for each form that is left out, and theirs do not
// match ours.
void* operator new(std::size_t bytes) {
    return or_throw(allocate(bytes));
}
void* operator new[](std::size_t bytes) {
    return or_throw(allocate(bytes));
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return or_throw(allocate(bytes, alignment));
}
void* operator new[](std::size_t bytes, std::align_val_t alignment) {
    return or_throw(allocate(bytes, alignment));
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return allocate(bytes);
}
void* operator new[](std::size_t bytes, const std::nothrow_t&) noexcept {
    return allocate(bytes);
}
void* operator new(std::size_t bytes, std::align_val_t alignment, const std::nothrow_t&) noexcept {
    return allocate(bytes, alignment);
}
void* operator new[](std::size_t bytes, std::align_val_t alignment,
                     const std::nothrow_t&) noexcept {
    return allocate(bytes, alignment);
}
void operator delete(void* bytes) noexcept {
    std::free(bytes);
}
void operator delete[](void* bytes) noexcept {
    std::free(bytes);
}
void operator delete(void* bytes, std::size_t) noexcept {
    std::free(bytes);
}
void operator delete[](void* bytes, std::size_t) noexcept {
    std::free(bytes);
}
void operator delete(void* bytes, std::align_val_t) noexcept {
    std::free(bytes);
}
void operator delete[](void* bytes, std::align_val_t) noexcept {
    std::free(bytes);
}
void operator delete(void* bytes, std::size_t, std::align_val_t) noexcept {
    std::free(bytes);
}
void operator delete[](void* bytes, std::size_t, std::align_val_t) noexcept {
    std::free(bytes);
}
void operator delete(void* bytes, const std::nothrow_t&) noexcept {
    std::free(bytes);
}
void operator delete[](void* bytes, const std::nothrow_t&) noexcept {
    std::free(bytes);
}
void operator delete(void* bytes, std::align_val_t, const std::nothrow_t&) noexcept {
    std::free(bytes);
}
void operator delete[](void* bytes, std::align_val_t, const std::nothrow_t&) noexcept {
    std::free(bytes);
}
