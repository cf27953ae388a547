// A driver of another build, for plugin_loader_test: reading more than its first field would be a
// crash.

namespace {
struct OnlyTheLine {
    const char* abi_hash = "an ABI of long ago";
};
const OnlyTheLine line;
} // namespace

extern "C" const void* jackdaw_driver() {
    return &line;
}
