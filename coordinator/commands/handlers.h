#pragma once
// Who does each command of the table: one file per noun.

#include "coordinator/commands/session.h"
#include "proto/base/error.h"

namespace jackdaw::cli {

#define JACKDAW_HANDLER(name) Result<int> name(Session& session, const Invocation& invocation)

JACKDAW_HANDLER(fleet_init);
JACKDAW_HANDLER(fleet_list);
JACKDAW_HANDLER(fleet_show);
JACKDAW_HANDLER(fleet_use);
JACKDAW_HANDLER(fleet_up);
JACKDAW_HANDLER(fleet_destroy);
JACKDAW_HANDLER(fleet_gc);

JACKDAW_HANDLER(machine_list);
JACKDAW_HANDLER(machine_power_on);
JACKDAW_HANDLER(machine_power_off);
JACKDAW_HANDLER(machine_freeze);
JACKDAW_HANDLER(machine_thaw);
JACKDAW_HANDLER(machine_cut);
JACKDAW_HANDLER(machine_heal);
JACKDAW_HANDLER(machine_shell);

JACKDAW_HANDLER(image_build);
JACKDAW_HANDLER(image_list);
JACKDAW_HANDLER(image_delete);

JACKDAW_HANDLER(instance_create);
JACKDAW_HANDLER(instance_list);
JACKDAW_HANDLER(instance_show);
JACKDAW_HANDLER(instance_delete);
JACKDAW_HANDLER(instance_start);
JACKDAW_HANDLER(instance_stop);
JACKDAW_HANDLER(instance_restart);
JACKDAW_HANDLER(instance_rename);
JACKDAW_HANDLER(instance_repair);
JACKDAW_HANDLER(instance_resize);
JACKDAW_HANDLER(instance_pause);
JACKDAW_HANDLER(instance_resume);
JACKDAW_HANDLER(instance_protect);
JACKDAW_HANDLER(instance_unprotect);

JACKDAW_HANDLER(database_create);
JACKDAW_HANDLER(database_list);
JACKDAW_HANDLER(database_delete);

JACKDAW_HANDLER(user_create);
JACKDAW_HANDLER(user_list);
JACKDAW_HANDLER(user_delete);
JACKDAW_HANDLER(user_password);
JACKDAW_HANDLER(user_show);
JACKDAW_HANDLER(user_grant);
JACKDAW_HANDLER(user_revoke);
JACKDAW_HANDLER(user_update);

JACKDAW_HANDLER(root_enable);
JACKDAW_HANDLER(root_disable);
JACKDAW_HANDLER(root_show);

JACKDAW_HANDLER(session_list);
JACKDAW_HANDLER(session_kill);

JACKDAW_HANDLER(config_parameters);
JACKDAW_HANDLER(config_show);
JACKDAW_HANDLER(config_set);
JACKDAW_HANDLER(config_unset);

JACKDAW_HANDLER(datastore_list);
JACKDAW_HANDLER(datastore_versions);
JACKDAW_HANDLER(datastore_capabilities);

JACKDAW_HANDLER(op_list);
JACKDAW_HANDLER(op_show);
JACKDAW_HANDLER(op_watch);
JACKDAW_HANDLER(op_abort);
JACKDAW_HANDLER(op_resume);

JACKDAW_HANDLER(member_list);
JACKDAW_HANDLER(member_show);
JACKDAW_HANDLER(member_why);
JACKDAW_HANDLER(member_forget);

JACKDAW_HANDLER(key_list);
JACKDAW_HANDLER(key_rotate);
JACKDAW_HANDLER(key_remove);

JACKDAW_HANDLER(log_list);
JACKDAW_HANDLER(log_tail);
JACKDAW_HANDLER(events);

JACKDAW_HANDLER(connect_client);
JACKDAW_HANDLER(completion_script);
JACKDAW_HANDLER(manual);
JACKDAW_HANDLER(help);

JACKDAW_HANDLER(top);
JACKDAW_HANDLER(doctor);
JACKDAW_HANDLER(explain);
JACKDAW_HANDLER(version);

#undef JACKDAW_HANDLER

} // namespace jackdaw::cli
