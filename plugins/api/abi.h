#pragma once
// What must be equal in the program and in a driver before a C++ object may cross between them, as
// one readable line: a refusal prints both lines, and the difference is the reason.
//
// abi_digest.h is written by CMake (plugins/CMakeLists.txt): SHA-256 over the text of every header
// whose types cross the boundary, so that a forgotten rebuild is refused instead of reading a
// struct of another shape.

#include <version>

#include <boost/version.hpp>

#include "plugins/api/abi_digest.h"

#define JACKDAW_ABI_TEXT_INNER(x) #x
#define JACKDAW_ABI_TEXT(x) JACKDAW_ABI_TEXT_INNER(x)

#if defined(__SANITIZE_ADDRESS__)
#define JACKDAW_ABI_SANITIZER "address"
#elif defined(__SANITIZE_THREAD__)
#define JACKDAW_ABI_SANITIZER "thread"
#else
#define JACKDAW_ABI_SANITIZER "none"
#endif

#if defined(_GLIBCXX_DEBUG) // changes the layout of every container
#define JACKDAW_ABI_CONTAINERS "debug"
#else
#define JACKDAW_ABI_CONTAINERS "plain"
#endif

namespace jackdaw::plugins {

inline constexpr const char* abi_hash = "c++ " JACKDAW_ABI_TEXT(
    __cplusplus) "; compiler " __VERSION__
                 "; boost " JACKDAW_ABI_TEXT(BOOST_VERSION) "; libstdc++ " JACKDAW_ABI_TEXT(
                     __GLIBCXX__) "/" JACKDAW_ABI_TEXT(_GLIBCXX_USE_CXX11_ABI) "; "
                                                                               "containers"
                                                                               " " JACKDAW_ABI_CONTAINERS
                                                                               "; "
                                                                               "sanitizer"
                                                                               " " JACKDAW_ABI_SANITIZER
                                                                               "; "
                                                                               "api"
                                                                               " " JACKDAW_API_DIGEST;

} // namespace jackdaw::plugins
