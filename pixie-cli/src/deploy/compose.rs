//! Writes a compose file: the app's services, HAProxy with its configuration, and a store.
//!
//! Invariant: each text from the app or from the arguments is a quoted scalar, and a `$` is doubled, because
//! compose replaces variables in all texts.

use serde_json::json;

use crate::error::Error;

use super::{
    haproxy,
    kubernetes::indented,
    plan::{Plan, Service, slug},
};

/// Processes of each service at first. `docker compose up --scale images=4` starts more.
const REPLICAS: usize = 2;

pub(super) fn file(plan: &Plan) -> Result<String, Error> {
    let image = plan.options.image.as_ref().map(|image| format!("image: {}", json!(image)));
    let image = image.unwrap_or_else(|| format!("image: {}\n  build: .", plan.name("")));
    let tls = plan.options.tls_ca.is_some() || plan.options.certificate.is_some();
    let (port, services) = (plan.bind_port(), plan.services.iter().map(|own| service(plan, own)).collect::<String>());
    let names: Vec<_> = plan.services.iter().map(|service| slug(&service.name)).collect();
    Ok(format!(
        r#"{origin}
# Change the app or these arguments, not this file: `pixie deploy compose --check FILE` finds differences.
# Start: PIXIE_SECRET=$(openssl rand -hex 32) docker compose up --build   (Docker Compose 2.23.1 or later)
# Then open http://localhost:{port}. More processes: docker compose up --scale {last}=4 --no-recreate
name: {app}

x-app: &app
  {image}
  restart: unless-stopped
  stop_grace_period: {stop}s
  read_only: true
  # Uploads are spooled here.
  tmpfs: [/tmp]

services:
{services}
  balancer:
    image: {haproxy}
    ports: ["{port}:{port}"]
    configs: [{{ source: haproxy, target: /usr/local/etc/haproxy/haproxy.cfg }}]
{volumes}    restart: unless-stopped
    read_only: true
    depends_on: [{names}]
{store}
configs:
  haproxy:
    content: |
{configuration}"#,
        origin = plan.origin,
        last = names.last().map(String::as_str).unwrap_or_default(),
        app = plan.name(""),
        stop = plan.app.stop_seconds(),
        haproxy = json!(plan.haproxy_image()),
        volumes = if tls { "    volumes: [\"./tls:/etc/haproxy/tls:ro\"]\n" } else { "" },
        names = names.join(", "),
        store = store(plan),
        configuration = indented(&haproxy::configuration(plan)?.replace('$', "$$"), "      "),
    ))
}

fn service(plan: &Plan, service: &Service) -> String {
    let mut text = format!("  {}:\n    <<: *app\n    environment:\n", slug(&service.name));
    for (variable, value) in plan.variables(service, REPLICAS) {
        text += &format!("      {variable}: {}\n", json!(value.replace('$', "$$")));
    }
    text += "      # From the shell or from .env in this folder.\n      PIXIE_SECRET:\n";
    if plan.app.uses_store {
        text += "      PIXIE_STORE: \"redis://store:6379\"\n    depends_on: [store]\n";
    }
    text += &format!("    deploy: {{ replicas: {REPLICAS} }}\n");
    text
}

fn store(plan: &Plan) -> &'static str {
    match plan.app.uses_store {
        true => {
            r#"
  # Sessions, rate limits, topics: what the processes share.
  store:
    image: "docker.io/valkey/valkey:8"
    command: [valkey-server, --appendonly, "yes"]
    volumes: ["store:/data"]
    restart: unless-stopped

volumes:
  store: {}
"#
        }
        false => "",
    }
}
