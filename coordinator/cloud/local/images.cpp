#include "coordinator/cloud/local/images.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include <fmt/format.h>

#include "coordinator/cloud/local/files.h"
#include "proto/wire/shapes_json.h"

namespace jackdaw::cloud::local {
namespace {

constexpr std::size_t digest_letters_min = 8; ///< fewer could be a datastore's name

Result<Image> image_from(const Path& folder) {
    JACKDAW_TRY(const std::string text, read_file(folder / "image.json"));
    JACKDAW_TRY(const proto::Json json, proto::parse_json(text));
    Image image;
    JACKDAW_TRY(image.datastore, proto::string_at(json, "datastore", ""));
    JACKDAW_TRY(image.version, proto::string_at(json, "version", ""));
    JACKDAW_TRY(image.recipe_digest, proto::string_at(json, "recipe_digest", ""));
    JACKDAW_TRY(image.created_at, proto::string_at(json, "created_at", ""));
    JACKDAW_TRY(image.size_bytes, proto::number_at(json, "size_bytes", 0, INT64_MAX));
    JACKDAW_TRY(image.memory_bytes_min, proto::number_at(json, "memory_bytes_min", 0, INT64_MAX));
    image.programs = proto::string_at(json, "programs_digest", "").value_or("");
    image.digest = folder.filename();
    image.root = folder / "root";
    std::error_code failure;
    if (image.datastore.empty() || !std::filesystem::is_directory(image.root, failure)) {
        return Error{Errc::corrupt, folder.string() + " is not a whole image"};
    }
    return image;
}

bool has_letters_of_digest(const std::string& reference) {
    return reference.size() >= digest_letters_min &&
           reference.find_first_not_of("0123456789abcdef") == std::string::npos;
}

} // namespace

bool version_matches(std::string_view wanted, std::string_view version) noexcept {
    return wanted.empty() || version == wanted ||
           (version.size() > wanted.size() && version.starts_with(wanted) &&
            version[wanted.size()] == '.');
}

Result<std::vector<Image>> list_images(const std::filesystem::path& image_root) {
    JACKDAW_TRY(const auto names, names_in(image_root));
    std::vector<Image> images;
    for (const auto& name : names) {
        if (auto image = image_from(image_root / name); image && !name.starts_with('.')) {
            images.push_back(std::move(*image));
        }
    }
    std::stable_sort(images.begin(), images.end(),
                     [](const Image& a, const Image& b) { return a.created_at < b.created_at; });
    return images;
}

Result<Image> find_image(const std::filesystem::path& image_root, const std::string& reference) {
    JACKDAW_TRY(auto images, list_images(image_root));
    const std::size_t colon = reference.find(':');
    const std::string datastore = reference.substr(0, colon);
    const std::string version = colon == std::string::npos ? "" : reference.substr(colon + 1);
    std::vector<Image*> by_name;
    std::vector<Image*> by_digest;
    for (auto& image : images) {
        if (image.datastore == datastore && version_matches(version, image.version)) {
            by_name.push_back(&image);
        }
        if (has_letters_of_digest(reference) && image.digest.starts_with(reference)) {
            by_digest.push_back(&image);
        }
    }
    if (!by_name.empty()) {
        return std::move(*by_name.back());
    }
    if (by_digest.size() == 1) {
        return std::move(*by_digest.front());
    }
    return Error{Code::no_image,
                 fmt::format("{} image of '{}' in {}", by_digest.empty() ? "no" : "more than one",
                             reference, image_root.string())}
        .with_hint("`jackdaw image list` shows what is there");
}

Result<void> remove_image(const std::filesystem::path& image_root, const std::string& digest) {
    if (!has_letters_of_digest(digest)) {
        return Error{Errc::invalid, "'" + digest.substr(0, 80) + "' is no digest"};
    }
    JACKDAW_CHECK(retire_tree(image_root / digest).while_doing("delete image " + digest));
    JACKDAW_TRY(const auto names, names_in(image_root));
    for (const auto& name : names) {
        if (is_retired(name)) {
            JACKDAW_CHECK(
                remove_tree(image_root / name).while_doing("remove what is left of an image"));
        }
    }
    return ok();
}

Result<void> build_image(const std::filesystem::path& program,
                         const std::vector<std::string>& arguments) {
    std::vector<char*> argv{const_cast<char*>(program.c_str())};
    for (const auto& argument : arguments) {
        argv.push_back(const_cast<char*>(argument.c_str()));
    }
    argv.push_back(nullptr);
    if (::access(program.c_str(), X_OK) != 0) {
        return os_error("run " + program.string(), errno);
    }
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) {
        return os_error("fork", errno);
    }
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGTERM); // it cleans up after itself
        if (::getppid() == parent) {
            ::execv(argv[0], argv.data());
        }
        ::_exit(127);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        return Error{Code::job_failed,
                     fmt::format("{} ended with status {}", program.string(),
                                 WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status))};
    }
    return ok();
}

} // namespace jackdaw::cloud::local
