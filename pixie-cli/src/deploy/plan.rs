//! `Plan`: an app and where it runs, checked once, before a file is written.
//!
//! Invariant: each role of the app belongs to exactly one service, and the names of services are different.

use std::net::IpAddr;

use crate::{error::Error, output};

use super::{
    Target,
    app::{App, Pool},
    options::Options,
};

/// Networks that are not on the internet, where containers get their addresses.
const PRIVATE: &str = "10.0.0.0/8,172.16.0.0/12,192.168.0.0/16,100.64.0.0/10,fc00::/7";
/// The port for HAProxy's agent checks, unless the app has one.
const AGENT_PORT: u16 = 9707;
/// Limits how many addresses a DNS name may have, unless the arguments do.
const HOSTS_MAX: usize = 10;
/// The port of `App::port`.
const PORT: u16 = 8000;

pub(super) struct Plan {
    pub(super) app: App,
    pub(super) target: Target,
    pub(super) options: Options,
    pub(super) services: Vec<Service>,
    /// The first line of each file.
    pub(super) origin: String,
}

/// Processes that have the same roles.
pub(super) struct Service {
    pub(super) name: String,
    pub(super) roles: Vec<String>,
}

/// Where the processes of a role are.
pub(super) enum Hosts {
    Listed(Vec<Address>),
    /// The addresses of a DNS name, and how many there may be.
    Named(Address, usize),
}

/// A host and a port.
#[derive(Debug, PartialEq)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Plan {
    pub(super) fn new(app: App, target: Target, options: Options) -> Result<Plan, Error> {
        let services = services(&app, &options.role)?;
        let origin = options.origin(target);
        let plan = Plan { app, target, options, services, origin };
        if plan.app.tls && plan.options.tls_ca.is_none() {
            return Err(Error::usage("the app serves HTTPS")
                .help("add --tls-ca with the certificates that sign those of the app"));
        }
        if plan.options.http2 && !plan.app.http2 {
            return Err(Error::usage("the app does not speak HTTP/2").help("build it with the feature `http2`"));
        }
        if plan.probe().is_none() {
            output::warning("the app has no probe, so HAProxy only checks that its port is open");
            output::help("call `App::health(\"/healthz\")` and `App::ready(\"/readyz\")`");
        }
        Ok(plan)
    }

    /// Returns the path that tells whether a process should get requests.
    pub(super) fn probe(&self) -> Option<&str> {
        self.app.ready.as_deref().or(self.app.health.as_deref())
    }

    /// Returns the port on which the app listens.
    pub(super) fn port(&self) -> u16 {
        self.app.port.filter(|port| *port > 0).unwrap_or(PORT)
    }

    /// Returns the port for agent checks, if HAProxy can ask there. Containers and units get one.
    pub(super) fn agent_port(&self) -> Option<u16> {
        let of_app = self.app.agent.as_ref().and_then(|agent| agent.rsplit(':').next()?.parse().ok());
        of_app.or((self.target != Target::Haproxy).then_some(AGENT_PORT))
    }

    /// Returns the pool that has this role for itself.
    pub(super) fn pool(&self, role: &str) -> Option<&Pool> {
        self.app.pools.iter().find(|pool| pool.role == role && pool.name == role)
    }

    /// Returns whether HAProxy reports clients with the PROXY protocol.
    pub(super) fn has_proxy_protocol(&self) -> bool {
        self.options.proxy_protocol || self.app.proxy_protocol
    }

    /// Returns where HAProxy listens. In a container, only root could listen on port 80.
    pub(super) fn bind(&self) -> &str {
        let default = if self.is_in_containers() { ":8080" } else { ":80" };
        self.options.bind.as_deref().unwrap_or(default)
    }

    pub(super) fn bind_port(&self) -> &str {
        self.bind().rsplit(':').next().unwrap_or_default()
    }

    fn is_in_containers(&self) -> bool {
        matches!(self.target, Target::Kubernetes | Target::Compose)
    }

    pub(super) fn haproxy_image(&self) -> &str {
        self.options.haproxy_image.as_deref().unwrap_or("docker.io/library/haproxy:2.6")
    }

    /// Returns the environment of the processes of a service, except for secrets.
    pub(super) fn variables(&self, service: &Service, replicas: usize) -> Vec<(&'static str, String)> {
        let everywhere = |port: u16| format!("0.0.0.0:{port}");
        let mut variables = vec![
            ("PIXIE_ROLE", service.roles.join(",")),
            ("PIXIE_REPLICAS", replicas.to_string()),
            ("PIXIE_HOST", "0.0.0.0".into()),
            ("PIXIE_PORT", self.port().to_string()),
        ];
        variables.extend(self.agent_port().map(|port| ("PIXIE_AGENT", everywhere(port))));
        if !self.has_proxy_protocol() {
            variables.push(("PIXIE_BEHIND_PROXY", self.behind().to_owned()));
        }
        variables
    }

    /// Returns the networks of HAProxy, as the app sees it.
    pub(super) fn behind(&self) -> &str {
        let default = if self.target == Target::Systemd { "127.0.0.1,::1" } else { PRIVATE };
        self.options.behind.as_deref().unwrap_or(default)
    }

    /// Returns the networks of proxies in front of HAProxy.
    pub(super) fn front(&self) -> Option<&str> {
        // The Ingress is in the cluster.
        self.options.front.as_deref().or((self.target == Target::Kubernetes).then_some(PRIVATE))
    }

    /// Returns a name in files and in clusters, made of the names of the app and of a part.
    pub(super) fn name(&self, part: &str) -> String {
        match part {
            "" => slug(&self.app.app),
            part => format!("{}-{}", slug(&self.app.app), slug(part)),
        }
    }

    /// Returns where the processes of a role are.
    pub(super) fn hosts(&self, role: &str) -> Result<Hosts, Error> {
        let service = self.services.iter().find(|service| service.roles.iter().any(|own| own == role));
        let names = [role, service.map_or("", |service| &service.name), "all"];
        let value_of = |all: &[String]| {
            let of = |name: &str| all.iter().filter_map(|text| text.split_once('=')).find(|(role, _)| *role == name);
            names.into_iter().find_map(of).map(|(_, value)| value.to_owned())
        };
        if let Some(list) = value_of(&self.options.hosts) {
            return list.split(',').map(|host| self.address(host)).collect::<Result<_, _>>().map(Hosts::Listed);
        }
        let default = service.and_then(|service| match self.target {
            Target::Kubernetes => Some(format!("{}.{}.svc.cluster.local", self.name(&service.name), self.namespace())),
            Target::Compose => Some(slug(&service.name)),
            Target::Haproxy | Target::Systemd => None,
        });
        let Some(name) = value_of(&self.options.discover).or(default) else {
            return Err(Error::usage(format_args!("no hosts for the role `{role}`"))
                .help(format_args!("add --hosts {role}=10.0.0.11,10.0.0.12, or --discover {role}=NAME")));
        };
        let (name, count) = name.split_once('*').map_or((name.as_str(), None), |(name, count)| (name, Some(count)));
        let wrong = || Error::usage(format_args!("invalid number of hosts in `{name}`: use 1 to 1000, such as *10"));
        let count = count
            .map_or(Ok(HOSTS_MAX), |count| count.parse().ok().filter(|n| (1..=1000).contains(n)).ok_or_else(wrong))?;
        Ok(Hosts::Named(self.address(name)?, count))
    }

    /// Returns how many processes a service has, as far as the arguments tell.
    pub(super) fn replicas(&self, service: &Service) -> usize {
        match self.hosts(&service.roles[0]) {
            Ok(Hosts::Listed(hosts)) => hosts.len(),
            Ok(Hosts::Named(_, count)) => count,
            Err(_) => 1,
        }
    }

    pub(super) fn namespace(&self) -> &str {
        self.options.namespace.as_deref().unwrap_or("default")
    }

    /// Reads `host`, `host:port`, `::1` or `[::1]:port`.
    fn address(&self, text: &str) -> Result<Address, Error> {
        let wrong = || {
            Error::usage(format_args!("invalid address `{text}`"))
                .help("use a name or an IP address, and a port: app1:8000, 10.0.0.11:8000, [fd00::11]:8000")
        };
        let is_bare = text.parse::<IpAddr>().is_ok() || !text.contains(':') || text.ends_with(']');
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !is_bare => (host, port.parse().ok().filter(|port| *port > 0).ok_or_else(wrong)?),
            _ => {
                let is_fixed = self.target != Target::Haproxy || self.app.port.is_some_and(|port| port > 0);
                let no_port = || wrong().help("the app has no fixed port, so add one to each address");
                (text, is_fixed.then(|| self.port()).ok_or_else(no_port)?)
            }
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let is_name =
            host.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter)) && !host.is_empty();
        match is_name || host.parse::<IpAddr>().is_ok() {
            true => Ok(Address { host: host.to_owned(), port }),
            false => Err(wrong()),
        }
    }
}

impl Address {
    /// Returns whether DNS must be asked for the address.
    pub(super) fn is_name(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }

    /// Returns the address as HAProxy writes it.
    pub(super) fn shown(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Returns the services: those that the arguments name, and one for each other role.
fn services(app: &App, groups: &[String]) -> Result<Vec<Service>, Error> {
    let mut services: Vec<Service> = Vec::new();
    let of_groups = groups.iter().map(|group| group.split(',').map(str::to_owned).collect::<Vec<_>>());
    for roles in of_groups {
        if let Some(unknown) = roles.iter().find(|role| !app.roles.contains(role)) {
            return Err(Error::usage(format_args!("the app does not have the role `{unknown}`"))
                .help(format_args!("it has {}", app.roles.join(", "))));
        }
        services.push(Service { name: roles[0].clone(), roles });
    }
    for role in &app.roles {
        let known = services.iter().flat_map(|service| &service.roles).filter(|known| *known == role).count();
        match known {
            0 => services.push(Service { name: role.clone(), roles: vec![role.clone()] }),
            1 => {}
            _ => return Err(Error::usage(format_args!("the role `{role}` is in several services"))),
        }
    }
    // Names of other parts of the files, and names that differ only in what Kubernetes does not allow.
    let mut taken = vec!["balancer".to_owned(), "store".to_owned()];
    for service in &services {
        let name = slug(&service.name);
        if taken.contains(&name) {
            return Err(
                Error::new(format_args!("two parts of the deployment have the name `{name}`")).help("rename the pool")
            );
        }
        taken.push(name);
    }
    Ok(services)
}

/// Returns a name that is valid in DNS: lowercase letters, digits and `-`.
pub(super) fn slug(name: &str) -> String {
    let letter = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '-' };
    name.chars().map(letter).collect::<String>().trim_matches('-').to_owned()
}

/// Returns a time for HAProxy, in whole seconds if it is one, and at least one millisecond.
pub(super) fn time(seconds: f64) -> String {
    // HAProxy takes at most 24 days.
    match ((seconds * 1000.0).ceil() as u64).min(24 * 86_400_000) {
        millis if millis > 0 && millis % 1000 == 0 => format!("{}s", millis / 1000),
        millis => format!("{}ms", millis.max(1)),
    }
}
