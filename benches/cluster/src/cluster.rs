//! `Cluster`: the hosts of the bench and what runs on them.
//!
//! One balancer, two web hosts, up to four worker hosts, one store, and one host for the clients. Dropping it
//! ends and removes everything.

use std::{
    collections::BTreeMap,
    env,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use bench_kit::{
    Result,
    http::Client,
    process::{cargo, run},
};

use crate::{
    balancer,
    interrupt::wait_until,
    machine::Machine,
    namespaces::{Host, Network},
};

/// Limits the build of the app.
const BUILD_LIMIT: Duration = Duration::from_secs(1200);
/// Limits the start of a program, and how long the balancer may take to use it.
const START_LIMIT: Duration = Duration::from_secs(30);
/// Limits one request of the bench itself.
const PATIENCE: Duration = Duration::from_secs(5);

/// The port of the app on each host.
pub(crate) const APP_PORT: u16 = 8000;
/// The port of the app's agent check.
const AGENT_PORT: u16 = 9707;
/// The port of the balancer.
pub(crate) const PORT: u16 = 8080;
const STORE_PORT: u16 = 6379;

/// The hosts that run the app, with the last byte of their addresses.
const WEB: [(&str, u8); 2] = [("web1", 21), ("web2", 22)];
const IMAGES: [(&str, u8); 4] = [("images1", 31), ("images2", 32), ("images3", 33), ("images4", 34)];

/// Runs on the balancer, the store and the hosts of the app.
pub(crate) struct Cluster {
    /// The host of the clients.
    pub(crate) client: Host,
    /// All other hosts, by name.
    machines: BTreeMap<&'static str, Machine>,
    /// How many hosts run the role `images`.
    workers: usize,
    /// Whether the balancer speaks HTTP/2 with the app.
    http2: bool,
    /// The version of the app that a host is started with, by its name.
    versions: BTreeMap<&'static str, u32>,
    app: PathBuf,
    // After the machines, so that their programs end first.
    network: Network,
    folder: PathBuf,
    /// Two runs would have hosts of the same names.
    _lock: File,
}

impl Cluster {
    /// Builds the app and starts all hosts, with this many of the role `images`.
    pub(crate) fn start(workers: usize, http2: bool) -> Result<Self> {
        let lock = File::create(env::temp_dir().join("pixie-cluster.lock"))?;
        lock.try_lock().map_err(|_| "another run of this bench is under way on this machine")?;
        let app = build()?;
        // What an earlier run has left is removed first.
        let network = Network::new("pixie-cluster")?;
        let folder = env::temp_dir().join("pixie-cluster");
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder)?;
        let mut machines = BTreeMap::new();
        let others = [("balancer", 10), ("store", 40)];
        for (name, number) in WEB.into_iter().chain(IMAGES).chain(others) {
            machines.insert(name, Machine::new(name, network.host(name, number)?, &folder));
        }
        let client = network.host("client", 2)?;
        let versions = BTreeMap::new();
        let mut cluster = Cluster { client, machines, workers, http2, versions, app, network, folder, _lock: lock };
        cluster.start_store()?;
        cluster.app_hosts().into_iter().try_for_each(|name| cluster.start_app(name))?;
        cluster.balance(&cluster.host_lists())?;
        cluster.wait_until_used()?;
        Ok(cluster)
    }

    /// Changes how many hosts run the role `images`.
    pub(crate) fn set_workers(&mut self, workers: usize) -> Result<()> {
        for (index, (name, _)) in IMAGES.into_iter().enumerate() {
            match (index < workers, self.machine(name).runs()) {
                (true, false) => self.start_app(name)?,
                (false, true) => self.machine(name).kill()?,
                _ => {}
            }
        }
        self.workers = workers;
        self.balance(&self.host_lists())?;
        self.wait_until_used()
    }

    /// Returns the address of the balancer for clients.
    pub(crate) fn address(&self) -> SocketAddr {
        (self.machines["balancer"].host.address, PORT).into()
    }

    /// Returns the address of the app on a host.
    pub(crate) fn app_address(&self, name: &str) -> SocketAddr {
        (self.machines[name].host.address, APP_PORT).into()
    }

    /// Returns the address of the store.
    pub(crate) fn store_address(&self) -> SocketAddr {
        (self.machines["store"].host.address, STORE_PORT).into()
    }

    /// Returns the names of the hosts that run the app.
    pub(crate) fn app_hosts(&self) -> Vec<&'static str> {
        WEB.iter().chain(&IMAGES[..self.workers]).map(|(name, _)| *name).collect()
    }

    /// Returns a host.
    pub(crate) fn machine(&mut self, name: &str) -> &mut Machine {
        self.machines.get_mut(name).expect("only names of hosts are passed")
    }

    /// Returns the network.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Starts the app on a host and waits until it is ready.
    pub(crate) fn start_app(&mut self, name: &'static str) -> Result<()> {
        let role = name.trim_end_matches(char::is_numeric);
        let store = format!("redis://{}", self.store_address());
        let version = self.versions.get(name).copied().unwrap_or(1).to_string();
        let own = self.folder.join(name);
        fs::create_dir_all(&own)?;
        let mut command = self.machines[name].host.command(&self.app);
        command
            .envs([("PIXIE_HOST", "0.0.0.0"), ("PIXIE_PORT", &APP_PORT.to_string()), ("PIXIE_BANNER", "off")])
            .envs([("PIXIE_ROLE", role), ("PIXIE_STORE", &store), ("PIXIE_REPLICAS", "2")])
            .env("PIXIE_AGENT", format!("0.0.0.0:{AGENT_PORT}"))
            // The balancer asks twice a second.
            .env("PIXIE_READY_DELAY", "2s")
            .envs([("CLUSTER_HOST", name), ("CLUSTER_VERSION", &version)])
            .env("RUNTIME_DIRECTORY", &own)
            .env("TMPDIR", &own);
        self.machine(name).start(command)?;
        self.wait_for_app(name)
    }

    /// Replaces the app on a host by its next version, as a deployment does: drain, replace, ready.
    pub(crate) fn replace_app(&mut self, name: &'static str) -> Result<()> {
        self.machine(name).stop()?;
        *self.versions.entry(name).or_insert(1) += 1;
        self.start_app(name)
    }

    /// Starts the store, which keeps what it has acknowledged.
    pub(crate) fn start_store(&mut self) -> Result<()> {
        let folder = self.folder.join("redis");
        fs::create_dir_all(&folder)?;
        let machine = self.machine("store");
        let mut command = machine.host.command("redis-server");
        command.args(["--bind", "0.0.0.0", "--port", &STORE_PORT.to_string(), "--protected-mode", "no"]);
        command.args(["--save", "", "--appendonly", "yes", "--appendfsync", "always"]).arg("--dir").arg(folder);
        machine.start(command)?;
        let (client, address) = (self.client.clone(), self.store_address());
        self.wait_for("store", || {
            let connected = client.run(|| std::net::TcpStream::connect_timeout(&address, PATIENCE).is_ok());
            connected.unwrap_or(false)
        })
    }

    /// Returns the hosts of each role, as `pixie deploy` takes them.
    pub(crate) fn host_lists(&self) -> [String; 2] {
        ["web", "images"].map(|role| {
            let hosts = self.app_hosts().into_iter().filter(|name| name.starts_with(role));
            let addresses = hosts.map(|name| self.app_address(name).to_string());
            format!("{role}={}", addresses.collect::<Vec<_>>().join(","))
        })
    }

    /// Starts the balancer, again if it runs, with the configuration for these hosts.
    pub(crate) fn balance(&mut self, hosts: &[String]) -> Result<()> {
        let file = self.folder.join("haproxy.cfg");
        fs::write(&file, balancer::configuration(hosts, self.http2, PORT, AGENT_PORT)?)?;
        let machine = self.machine("balancer");
        machine.kill()?;
        let mut command = machine.host.command("haproxy");
        command.arg("-db").arg("-f").arg(file);
        machine.start(command)
    }

    /// Waits until the balancer uses all hosts that run the app.
    pub(crate) fn wait_until_used(&mut self) -> Result<()> {
        let hosts = self.app_hosts();
        let balancer = self.machines["balancer"].host.clone();
        self.wait_for("balancer", || {
            let up = balancer.run(balancer::servers_up).unwrap_or_default();
            hosts.iter().all(|host| up.contains(&balancer::server(host)))
        })
    }

    fn wait_for_app(&mut self, name: &'static str) -> Result<()> {
        let (client, address) = (self.client.clone(), self.app_address(name));
        self.wait_for(name, || {
            let answer = client.run(|| Client::new(address, PATIENCE).get("/readyz"));
            answer.is_ok_and(|answer| answer.is_ok_and(|answer| answer.status == 200))
        })
    }

    fn wait_for(&mut self, name: &'static str, mut is_ready: impl FnMut() -> bool) -> Result<()> {
        let machine = self.machine(name);
        let waited = wait_until(&format!("{name} is ready"), START_LIMIT, || !machine.is_alive() || is_ready());
        machine.check()?;
        waited.map_err(|error| format!("{error}\n{}", machine.log_end()).into())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for machine in self.machines.values_mut() {
            // Fails only if a process does not end; the network reports this when it is dropped.
            let _ = machine.kill();
        }
        match env::var_os("CLUSTER_KEEP_LOGS") {
            Some(_) => eprintln!("the logs are in {}", self.folder.display()),
            None => drop(fs::remove_dir_all(&self.folder)),
        }
    }
}

/// Builds the app beside this program, and returns its path.
fn build() -> Result<PathBuf> {
    let own = env::current_exe()?;
    let mut command = cargo();
    command.args(["build", "--release", "--bin", "cluster-app", "--manifest-path"]);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let target = own.parent().and_then(Path::parent).ok_or("find the target folder: there is none")?;
    run(command.arg("--target-dir").arg(target), BUILD_LIMIT)?;
    Ok(target.join("release/cluster-app"))
}
