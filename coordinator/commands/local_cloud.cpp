#include "coordinator/commands/local_cloud.h"

#include <filesystem>
#include <system_error>

#include <fmt/format.h>

#include "coordinator/cloud/local/images.h"
#include "coordinator/cloud/local/local_provider.h"
#include "coordinator/core/words.h"

namespace jackdaw::cli {
namespace {

namespace fs = std::filesystem;
namespace local = cloud::local;

local::LocalSettings settings_for(const Folders& folders, const std::string& fleet) {
    return {fleet, fs::absolute(folders.state), fs::absolute(folders.images())};
}

class LocalCloud final : public Cloud, public LocalMachines {
public:
    explicit LocalCloud(local::LocalSettings settings) : provider_{std::move(settings)} {}

    cloud::Provider& provider() override { return provider_; }
    cloud::MachineFiles* files() override { return &provider_; }
    LocalMachines* local() override { return this; }

    Result<std::vector<std::string>> fleet_up() override { return provider_.fleet_up(); }
    Result<void> power_off_crash(const std::string& name) override {
        return provider_.power_off_crash(name);
    }
    Result<void> freeze(const std::string& name) override { return provider_.freeze(name); }
    Result<void> thaw(const std::string& name) override { return provider_.thaw(name); }
    Result<void> cut(const std::string& name, const CutWords& words) override {
        return provider_.cut(name, local::Cut{words.from, words.one_way, words.percent});
    }
    Result<void> heal(const std::string& name) override { return provider_.heal(name); }
    Result<int> run_inside(const std::string& name,
                           const std::vector<std::string>& command) override {
        return provider_.run_inside(name, command);
    }
    Result<void> destroy() override { return provider_.destroy(); }

private:
    local::LocalProvider provider_;
};

ImageView view_of(const local::Image& image) {
    return {image.datastore,  image.version,    image.digest,
            image.created_at, image.size_bytes, image.memory_bytes_min};
}

/// packaging/image: installed beside this program, or in a folder above it.
Result<fs::path> image_recipe() {
    constexpr int levels_max = 6;
    std::error_code failure;
    auto folder = fs::read_symlink("/proc/self/exe", failure).parent_path();
    for (int level = 0; level < levels_max && !folder.empty(); ++level) {
        auto program = folder / "packaging" / "image";
        if (fs::is_regular_file(program, failure)) {
            return program;
        }
        folder = folder == folder.parent_path() ? fs::path{} : folder.parent_path();
    }
    return Error{Errc::unsupported, "the image recipe packaging/image is not installed here"}
        .with_hint("run it from the source tree: packaging/image DATASTORE");
}

/// Can an image of this datastore be baked here?
bool has_recipe(const std::string& reference) {
    const auto program = image_recipe();
    const auto datastore = parse_datastore(reference);
    std::error_code failure;
    return program && datastore && datastore->first != "base" && // what the others are baked on
           fs::exists(program->parent_path() / "recipes" / (datastore->first + ".sh"), failure);
}

class LocalImages final : public Images {
public:
    explicit LocalImages(Folders folders) : folders_{std::move(folders)} {}

    Result<std::vector<ImageView>> list() override {
        JACKDAW_TRY(const auto images, local::list_images(folders_.images()));
        std::vector<ImageView> views;
        for (const auto& image : images) {
            views.push_back(view_of(image));
        }
        return views;
    }
    Result<ImageView> find(const std::string& reference) override {
        auto image = local::find_image(folders_.images(), reference);
        if (!image && image.error().id() == Code::no_image) {
            return std::move(image).error().with_hint(
                has_recipe(reference) ? fmt::format("`jackdaw image list` shows what is there; "
                                                    "`jackdaw image build {}` bakes it",
                                                    reference)
                                      : "`jackdaw image list` shows what is there");
        }
        JACKDAW_TRY(const auto found, std::move(image));
        return view_of(found);
    }
    Result<void> build(const std::vector<std::string>& arguments) override {
        JACKDAW_TRY(const auto program, image_recipe());
        return local::build_image(program, arguments);
    }
    Result<void> remove(const std::string& reference) override {
        // Any fleet's provider will do: it looks at the machines of all of them.
        return local::LocalProvider{settings_for(folders_, "images")}.delete_image(reference);
    }

private:
    Folders folders_;
};

} // namespace

std::unique_ptr<Cloud> make_local_cloud(const Folders& folders, const std::string& fleet) {
    return std::make_unique<LocalCloud>(settings_for(folders, fleet));
}

std::unique_ptr<Images> make_local_images(const Folders& folders) {
    return std::make_unique<LocalImages>(folders);
}

} // namespace jackdaw::cli
