//! `examples/cluster`: with its scripts and its page in a browser, and on hosts that fail.
mod load;
mod namespaces;

use std::{
    env, fs,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use self::{
    load::{Load, ask},
    namespaces::{Host, Network},
};
use crate::{
    browser::Browser,
    support::{example, until},
};

/// The example's program stands for that of a package, so that `pixie deploy` builds a few lines only.
const MANIFEST: &str = "[package]\nname = \"cluster\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
    [dependencies]\npixie-web = { path = \"web\" }\n\n[workspace]\n";
const STUB: &str = "[package]\nname = \"pixie-web\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
const MAIN: &str = "use std::{env, os::unix::process::CommandExt, process::Command};\n\
    fn main() { panic!(\"{}\", Command::new(env::var(\"CLUSTER_APP\").unwrap()).exec()) }\n";

/// How long a host is broken. A cut takes longer, so that the balancer has to give up its connections.
const BROKEN: Duration = Duration::from_millis(1500);
const CUT: Duration = Duration::from_millis(4500);

/// Returns the command `pixie`, or prints what is missing.
fn tools() -> Option<PathBuf> {
    let pixie = example("cluster").parent().and_then(Path::parent).expect("a target folder").join("pixie");
    let has =
        |program: &str| Command::new(program).arg("-v").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok();
    let missing = match () {
        () if !pixie.exists() => "the command `pixie` was not built: `cargo build -p pixie-cli`",
        () if !has("haproxy") => "there is no haproxy; install Debian's `haproxy`",
        () if !has("redis-server") => "there is no redis-server; install Debian's `redis-server`",
        () => return Some(pixie),
    };
    skip(missing);
    None
}

/// Says that a test did not run. In CI, that is a failure.
fn skip(reason: &str) {
    assert!(env::var_os("CI").is_none(), "NOT TESTED: {reason}");
    eprintln!("\n*** NOT TESTED: {reason} ***\n");
}

/// Makes the package that stands for the example's.
fn package() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).and_then(|()| fs::write(path, text)).expect("a file");
    };
    write("Cargo.toml", MANIFEST);
    write("src/main.rs", MAIN);
    write("web/Cargo.toml", STUB);
    write("web/src/lib.rs", "");
    folder
}

/// The example, until this value is dropped.
struct Example {
    port: u16,
    run: tempfile::TempDir,
}

impl Example {
    fn start(pixie: &Path) -> Example {
        let (run, package) = (tempfile::tempdir().expect("a folder"), package());
        let started = Example { port: free_ports(), run };
        let mut up = started.script("up");
        up.env("CLUSTER_APP", example("cluster")).env("CLUSTER_PIXIE", pixie);
        let output = up.env("CLUSTER_PACKAGE", package.path()).output().expect("bash is there");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        started
    }

    fn script(&self, name: &str) -> Command {
        let mut command = Command::new("bash");
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/cluster").join(name));
        command.env("PORT", self.port.to_string()).env("CLUSTER_RUN", self.run.path().join("run"));
        // Its loops keep what they inherit.
        command.stdin(Stdio::null());
        command
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.script("down").status();
    }
}

/// Returns the first of five ports that are free at this moment.
fn free_ports() -> u16 {
    let is_free = |port| TcpListener::bind(("0.0.0.0", port)).is_ok();
    let first = || TcpListener::bind("127.0.0.1:0").ok()?.local_addr().ok().map(|address| address.port());
    until("five ports are free", || first().filter(|port| *port < 65_000 && (*port..port + 5).all(is_free)))
}

#[pixie_browser_test::browser_test]
fn the_page_of_the_example_shows_who_answers_while_processes_end() {
    let (Some(pixie), Some(browser)) = (tools(), Browser::start()) else { return };
    let example = Example::start(&pixie);
    browser.open(&format!("http://localhost:{}/", example.port));
    let card = |name: &str, part: &str| {
        let script = format!("return document.querySelector(\"[data-name='{name}'] .{part}\")?.textContent");
        browser.script(&script).as_str().unwrap_or_default().to_owned()
    };
    let answers = |name: &str| card(name, "count").parse::<u32>().unwrap_or(0);
    for name in ["web1", "web2", "images1", "images2"] {
        until(&format!("{name} answers"), || (answers(name) > 2).then_some(()));
    }
    for name in ["images1", "web1"] {
        let (before, pid) = (answers(name), card(name, "pid"));
        browser.click(&format!("[data-name='{name}'] button"));
        until(&format!("{name} has ended"), || (card(name, "state") == "ended").then_some(()));
        until(&format!("{name} answers again"), || {
            (answers(name) > before + 2 && card(name, "pid") != pid).then_some(())
        });
    }
    browser.click("#random");
    browser.wait_for("made by images");
    assert!(browser.text().contains("run 1"), "{}", browser.text());
    browser.click("[data-name='web2'] button");
    until("web2 has ended", || (card("web2", "state") == "ended").then_some(()));
    for (scheme, width) in [("light", 1100), ("dark", 1100), ("light", 390)] {
        browser.look(scheme, width, 1100);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pages");
        fs::create_dir_all(&folder).expect("a folder");
        browser.screenshot(&folder.join(format!("cluster-{scheme}-{width}.png")));
        let wider = browser.script("return document.documentElement.scrollWidth > innerWidth");
        assert_eq!(wider, false, "nothing is cut off at {width} pixels");
    }
    assert_eq!(browser.script("return document.querySelector('#failed').textContent"), "0");
    let status = example.script("down").status().expect("bash is there");
    assert!(status.success() && !example.run.path().join("run").exists());
}

/// The hosts of the test, with what runs on them.
struct Cluster {
    hosts: Vec<(&'static str, Host)>,
    running: Vec<(&'static str, Child)>,
    folder: tempfile::TempDir,
    // After the hosts' programs.
    network: Network,
}

impl Cluster {
    fn start(pixie: &Path) -> Cluster {
        let network = Network::new(&format!("pixie-test-{}", std::process::id())).expect("a network");
        let names = ["client", "store", "balancer", "web1", "web2", "images1", "images2"];
        let hosts = names.into_iter().zip(1..);
        let hosts = hosts.map(|(name, number)| (name, network.host(name, number).expect("a host"))).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let mut cluster = Cluster { hosts, running: Vec::new(), folder, network };
        let mut redis = cluster.host("store").command("redis-server");
        redis.args(["--bind", "0.0.0.0", "--protected-mode", "no", "--save", "", "--appendonly", "no"]);
        cluster.run("store", redis);
        ["web1", "web2", "images1", "images2"].into_iter().for_each(|name| cluster.start_app(name));
        let configuration = cluster.folder.path().join("haproxy.cfg");
        fs::write(&configuration, cluster.configuration(pixie)).expect("a file");
        let mut haproxy = cluster.host("balancer").command("haproxy");
        haproxy.arg("-db").arg("-f").arg(configuration);
        cluster.run("balancer", haproxy);
        cluster.wait_until_all_answer();
        cluster
    }

    fn configuration(&self, pixie: &Path) -> String {
        let package = package();
        let hosts = |role: &str| {
            let hosts = self.hosts.iter().filter(|(name, _)| name.starts_with(role));
            format!("{role}={}", hosts.map(|(_, host)| host.address.to_string()).collect::<Vec<_>>().join(","))
        };
        let output = Command::new(pixie)
            .args(["deploy", "haproxy", "--bind", ":8080", "--hosts", &hosts("web"), "--hosts", &hosts("images")])
            .current_dir(package.path())
            .env("CLUSTER_APP", example("cluster"))
            .env("PIXIE_AGENT", ":9707")
            .output()
            .expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    fn host(&self, name: &str) -> &Host {
        &self.hosts.iter().find(|(found, _)| *found == name).expect("a host").1
    }

    fn address(&self) -> SocketAddr {
        (self.host("balancer").address, 8080).into()
    }

    fn run(&mut self, name: &'static str, mut command: Command) {
        let log = fs::File::options().create(true).append(true).open(self.folder.path().join(name)).expect("a log");
        command.stdin(Stdio::null()).stdout(log.try_clone().expect("a copy")).stderr(log);
        self.running.push((name, command.spawn().expect("it starts")));
    }

    fn start_app(&mut self, name: &'static str) {
        let mut app = self.host(name).command(example("cluster"));
        app.env("PIXIE_STORE", format!("redis://{}:6379", self.host("store").address));
        app.envs([("PIXIE_HOST", "0.0.0.0"), ("PIXIE_PORT", "8000"), ("PIXIE_AGENT", ":9707")]);
        app.envs([("CLUSTER_NAME", name), ("PIXIE_ROLE", name.trim_end_matches(char::is_numeric))]);
        app.envs([("PIXIE_REPLICAS", "2"), ("PIXIE_READY_DELAY", "2s"), ("PIXIE_BEHIND_PROXY", "10.90.0.0/24")]);
        self.run(name, app);
    }

    /// Kills all processes of a host, or asks its program to stop, and waits for the end.
    fn end(&mut self, name: &str, kindly: bool) {
        let index = self.running.iter().position(|(found, _)| *found == name).expect("it runs");
        let (_, mut program) = self.running.remove(index);
        match kindly {
            true => drop(Command::new("kill").arg(program.id().to_string()).status().expect("kill is there")),
            false => self.host(name).kill().expect("its processes can be killed"),
        }
        until(&format!("{name} ends"), || program.try_wait().expect("it can be waited for"));
    }

    fn wait_until_all_answer(&self) {
        let (client, address) = (self.host("client"), self.address());
        for (path, names) in [("/page", ["web1", "web2"]), ("/work", ["images1", "images2"])] {
            for name in names {
                let wanted = format!("\"name\":\"{name}\"");
                let answers = || client.run(|| ask(address, "GET", path, &[])).ok()?.ok();
                until(&format!("{name} answers\n{}", self.logs()), || answers()?.body.contains(&wanted).then_some(()));
            }
        }
    }

    fn logs(&self) -> String {
        let log = |name| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        ["balancer", "web1", "images1"].map(log).join("\n")
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for (_, mut program) in self.running.drain(..) {
            let _ = program.kill();
            let _ = program.wait();
        }
    }
}

#[test]
fn no_request_is_wrong_doubled_or_lost_while_hosts_links_and_versions_change() {
    let Some(pixie) = tools() else { return };
    // Also in CI, which may not run as root.
    if let Some(obstacle) = Network::obstacle() {
        return eprintln!("\n*** NOT TESTED: {obstacle} ***\n");
    }
    let mut cluster = Cluster::start(&pixie);
    let load = Load::start(cluster.host("client"), cluster.address());
    for name in ["images1", "web1"] {
        cluster.end(name, false);
        thread::sleep(BROKEN);
        cluster.start_app(name);
        cluster.wait_until_all_answer();
    }
    cluster.network.set_link("images2", false).expect("a link can be cut");
    thread::sleep(CUT);
    cluster.network.set_link("images2", true).expect("a link can be mended");
    cluster.wait_until_all_answer();
    let before_update = load.cut_posts();
    for name in ["web2", "images2"] {
        cluster.end(name, true);
        cluster.start_app(name);
        cluster.wait_until_all_answer();
    }
    let result = load.stop();
    eprintln!("{result:?}");
    assert_eq!((&*result.wrong, &*result.doubled, &*result.lost), (&[][..], &[][..], &[][..]), "{}", cluster.logs());
    assert!(result.right > 500, "{result:?}");
    assert!(result.busy * 20 < result.right, "few were asked to come again: {result:?}");
    assert_eq!(before_update, result.cut_posts, "an update cuts no POST: {result:?}");
}
