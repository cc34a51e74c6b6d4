//! Writes units of systemd: a service for each service of the plan.
//!
//! Invariant: names and arguments have only characters that need no quotes in a unit.

use super::plan::{Plan, Service};

/// Returns the units by file name.
pub(super) fn units(plan: &Plan) -> Vec<(String, String)> {
    plan.services.iter().map(|service| (format!("{}.service", plan.name(&service.name)), unit(plan, service))).collect()
}

fn unit(plan: &Plan, service: &Service) -> String {
    let name = plan.name("");
    let default = format!("/srv/{name}/{}", plan.app.app);
    let program = plan.options.program.as_ref().unwrap_or(&default);
    let folder = program.rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
    let variables = plan.variables(service, plan.replicas(service));
    let variables: String = variables.iter().map(|(name, value)| format!("Environment={name}={value}\n")).collect();
    let memory = plan
        .app
        .memory(&service.roles)
        .map(|bytes| format!("# All workers of a process, and the process itself.\nMemoryMax={bytes}\n"));
    let low_port = if plan.port() < 1024 { "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" } else { "" };
    format!(
        r"{origin}
# Change the app or these arguments, not this file: `pixie deploy systemd --check FOLDER` finds differences.
# This is /etc/systemd/system/{unit}.service. Start it with `systemctl enable --now {unit}`.

[Unit]
Description={app}: {roles}
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart={program}
# Starts the new program at this path. `pixie reload $MAINPID` would wait for it.
ExecReload=/bin/kill -HUP $MAINPID
WorkingDirectory={folder}
{variables}# PIXIE_SECRET, PIXIE_STORE and other secrets.
EnvironmentFile=-/etc/{name}.env
# SIGTERM goes to the server only. The server stops its workers when their jobs are done.
KillMode=mixed
TimeoutStopSec={stop}
Restart=on-failure
RestartSec=1
# Lets the server give each worker of a pool with `memory` a cgroup of its own.
Delegate=yes
{memory}
# A user of its own, with one folder that it can write to.
DynamicUser=yes
StateDirectory={name}
{low_port}CapabilityBoundingSet={capabilities}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077

[Install]
WantedBy=multi-user.target
",
        origin = plan.origin,
        unit = plan.name(&service.name),
        app = plan.app.app,
        roles = service.roles.join(", "),
        stop = plan.app.stop_seconds(),
        memory = memory.unwrap_or_default(),
        capabilities = if low_port.is_empty() { "" } else { "CAP_NET_BIND_SERVICE" },
    )
}
