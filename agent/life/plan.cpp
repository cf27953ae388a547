// Which steps an action is made of. Everything else about order follows from these tables.
#include <array>

#include "agent/life/steps.h"

namespace jackdaw::agent {
namespace {

using namespace steps;

struct ActionPlan {
    std::string_view action;
    std::vector<StepPlan> steps;
};

/// A step of a delete. Somebody may have protected the instance after the delete was asked for, or
/// after an earlier step of it failed.
template <StepFunction run>
Result<void> unless_protected(StepContext& context) {
    JACKDAW_CHECK(need_unprotected(context.state));
    return run(context);
}

const std::vector<ActionPlan>& plans() {
    static const std::vector<ActionPlan> all{
        {"instance.create",
         {{"volume.find", find_volume, forget_instance},
          {"volume.format", format_volume,
           nothing}, // an empty file system of ours stays, known as ours
          {"volume.mount", mount_volume, unmount_volume, each_boot},
          {"volume.stamp", stamp_volume, erase_stamp},
          {"folders.prepare", prepare_folders, nothing, each_boot},
          {"datastore.check", check_datastore, nothing},
          {"config.render", render_config, nothing},
          {"data.initialise", initialise_data, discard_data},
          {"data.seal", seal_data, nothing}, // undone with data.initialise
          {"network.allow", allow_network, nothing, each_boot},
          {"database.start", start_database, stop_database},
          {"database.secure", secure_database, nothing}, // what these three made goes with the data
          {"databases.create", create_databases, nothing},
          {"users.create", create_users, nothing},
          {"health.probe", probe_health, nothing}}},
        {"instance.delete",
         {{"database.stop", unless_protected<steps::stop_database>, undo_stop_database},
          {"volume.release", unless_protected<release_stamp>, restore_stamp},
          {"volume.unmount", unless_protected<unmount_volume>, mount_volume},
          {"instance.forget", unless_protected<forget_instance>, unless_forgotten}}},
        {"instance.start",
         {{"volume.find", find_volume, nothing},
          {"volume.mount", mount_volume, nothing, each_boot},
          {"folders.prepare", prepare_folders, nothing, each_boot},
          {"config.render", render_config, nothing},
          {"network.allow", allow_network, nothing, each_boot},
          {"database.start", start_database, undo_start_database},
          {"health.probe", probe_health, nothing}}},
        {"instance.stop", {{"database.stop", stop_database, undo_stop_database}}},
        {"instance.restart",
         {{"database.stop", stop_database, undo_stop_database},
          {"volume.mount", mount_volume, nothing, each_boot},
          {"folders.prepare", prepare_folders, nothing, each_boot},
          {"config.render", render_config, nothing},
          {"network.allow", allow_network, nothing, each_boot},
          {"database.start", start_database, nothing},
          {"health.probe", probe_health, nothing}}},
        {"instance.protect", {{"instance.record", set_protect, nothing}}},
        {"instance.repair", {{"access.repair", repair_access, nothing}}},
        {"instance.rename", {{"instance.rename", rename_instance, undo_rename_instance}}},
        {"volume.grow",
         {{"volume.rescan", rescan_volume, nothing},
          {"filesystem.grow", grow_filesystem, cannot_shrink},
          {"volume.record", record_size, nothing}}},
        {"database.create", {{"database.create", create_database, undo_create_database}}},
        {"database.delete", {{"database.drop", drop_database, unless_begun}}},
        {"user.create", {{"user.create", create_user, undo_create_user}}},
        {"user.delete", {{"user.drop", drop_user, unless_begun}}},
        {"user.password", {{"user.password", set_password, unless_begun}}},
        {"user.grant", {{"user.grant", grant_user, undo_grant_user}}},
        {"user.revoke", {{"user.revoke", revoke_user, undo_revoke_user}}},
        {"user.update", {{"user.update", update_user, undo_update_user}}},
        {"root.enable", {{"root.enable", enable_root, undo_enable_root}}},
        {"root.disable", {{"root.disable", disable_root, unless_begun}}},
        {"session.kill", {{"session.kill", kill_session, unless_begun}}},
        {"config.set",
         {{"config.check", check_parameters, nothing},
          {"config.render", render_parameters, undo_render_parameters},
          {"config.keep", keep_parameters, undo_keep_parameters},
          {"config.apply", apply_parameters, undo_apply_parameters}}},
        {"instance.pause", {{"maintenance.begin", begin_maintenance, end_maintenance}}},
        {"instance.resume", {{"maintenance.end", end_maintenance, nothing}}},
    };
    return all;
}

} // namespace

const std::vector<StepPlan>* plan_of(std::string_view action) {
    for (const auto& plan : plans()) {
        if (plan.action == action) {
            return &plan.steps;
        }
    }
    return nullptr;
}

std::vector<std::string_view> all_actions() {
    std::vector<std::string_view> names;
    for (const auto& plan : plans()) {
        names.push_back(plan.action);
    }
    return names;
}

} // namespace jackdaw::agent
