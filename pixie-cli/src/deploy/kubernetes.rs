//! Writes the resources of Kubernetes: Deployments, Services, HAProxy with its configuration, an Ingress,
//! autoscalers and disruption budgets.
//!
//! Invariant: each text from the app or from the arguments is a quoted scalar, or consists of lowercase
//! letters, digits and `-`.

use serde_json::json;

use crate::error::Error;

use super::{
    haproxy,
    plan::{Hosts, Plan, Service},
};

/// Processes of each service and of HAProxy at first, and at least.
const REPLICAS: usize = 2;
/// What processes may do in a container.
const SECURITY: &str =
    "{ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: [ALL] } }";

/// Returns all resources, as one file.
pub(super) fn resources(plan: &Plan) -> Result<String, Error> {
    let mut text = format!(
        "{}\n# Change the app or these arguments, not this file: `pixie deploy kubernetes --check FILE` finds differences.\n\
         # The Secret `{name}` has the keys `secret` (PIXIE_SECRET){store}:\n\
         #   kubectl create secret generic {name} --from-literal=secret=…{literal}\n",
        plan.origin,
        name = plan.name(""),
        store = if plan.app.uses_store { " and `store` (PIXIE_STORE)" } else { "" },
        literal = if plan.app.uses_store { " --from-literal=store=redis://…" } else { "" },
    );
    for service in &plan.services {
        text += &deployment(plan, service)?;
    }
    text += &balancer(plan)?;
    Ok(text)
}

/// Returns the Deployment of a service, and what belongs to it.
fn deployment(plan: &Plan, service: &Service) -> Result<String, Error> {
    let name = plan.name(&service.name);
    let image = plan.options.image.clone().unwrap_or_else(|| format!("{}:latest", plan.name("")));
    let variables = variables(plan, service);
    let memory = match plan.app.memory(&service.roles) {
        Some(bytes) => format!(", memory: {}Mi }}\n            limits: {{ memory: {0}Mi }}", bytes.div_ceil(1 << 20)),
        // A worker without a limit could use any amount.
        None => " }".into(),
    };
    // A worker that computes needs a core. A quarter of one for each, because most of them wait at times.
    let slots = service.roles.iter().filter_map(|role| plan.pool(role)).map(|pool| pool.slots.min(64)).sum::<u64>();
    let max = match plan.hosts(&service.roles[0])? {
        Hosts::Named(_, count) => count,
        Hosts::Listed(hosts) => hosts.len(),
    };
    Ok(format!(
        r#"---
# Processes with the role {roles}.
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name}, namespace: {namespace}, labels: {{ app: {name} }} }}
spec:
  # The number of replicas belongs to the autoscaler below.
  selector: {{ matchLabels: {{ app: {name} }} }}
  # A new process is ready before an old one stops.
  strategy: {{ rollingUpdate: {{ maxSurge: 1, maxUnavailable: 0 }} }}
  template:
    metadata: {{ labels: {{ app: {name} }} }}
    spec:
      # Otherwise a service named `pixie` sets PIXIE_PORT.
      enableServiceLinks: false
      # Longer than the stop of the app.
      terminationGracePeriodSeconds: {stop}
      securityContext: {{ runAsNonRoot: true, runAsUser: 65534, seccompProfile: {{ type: RuntimeDefault }} }}
      containers:
        - name: app
          image: {image}
          env:
{variables}          ports: [{{ name: http, containerPort: {port} }}, {{ name: agent, containerPort: {agent} }}]
{probes}          resources:
            requests: {{ cpu: {cpu}m{memory}
          securityContext: {SECURITY}
          # Uploads are spooled here.
          volumeMounts: [{{ name: tmp, mountPath: /tmp }}]
      volumes: [{{ name: tmp, emptyDir: {{}} }}]
---
# The addresses of the processes, for HAProxy.
apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: {namespace} }}
spec:
  clusterIP: None
  selector: {{ app: {name} }}
  ports: [{{ name: http, port: {port} }}]
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {{ name: {name}, namespace: {namespace} }}
spec:
  scaleTargetRef: {{ apiVersion: apps/v1, kind: Deployment, name: {name} }}
  minReplicas: {min}
  # HAProxy has places for this many.
  maxReplicas: {max}
  metrics: [{{ type: Resource, resource: {{ name: cpu, target: {{ type: Utilization, averageUtilization: 70 }} }} }}]
{budget}"#,
        roles = service.roles.join(", "),
        namespace = json!(plan.namespace()),
        stop = plan.app.stop_seconds(),
        image = json!(image),
        cpu = 250 * (slots + 1),
        port = plan.port(),
        agent = plan.agent_port().unwrap_or_default(),
        probes = probes(plan),
        min = REPLICAS.min(max),
        budget = budget(plan, &name),
    ))
}

fn budget(plan: &Plan, name: &str) -> String {
    let namespace = json!(plan.namespace());
    format!(
        "---\napiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{ name: {name}, namespace: {namespace} }}\n\
         spec: {{ maxUnavailable: 1, selector: {{ matchLabels: {{ app: {name} }} }} }}\n"
    )
}

fn variables(plan: &Plan, service: &Service) -> String {
    let mut text = String::new();
    for (variable, value) in plan.variables(service, REPLICAS) {
        text += &format!("            - {{ name: {variable}, value: {} }}\n", json!(value));
    }
    let mut secret = |variable: &str, key: &str, more: &str| {
        let name = plan.name("");
        let from = format!("{{ secretKeyRef: {{ name: {name}, key: {key}{more} }} }}");
        text += &format!("            - {{ name: {variable}, valueFrom: {from} }}\n");
    };
    secret("PIXIE_SECRET", "secret", ", optional: true");
    if plan.app.uses_store {
        secret("PIXIE_STORE", "store", "");
    }
    text
}

fn probes(plan: &Plan) -> String {
    let scheme = if plan.options.tls_ca.is_some() { ", scheme: HTTPS" } else { "" };
    // Kubernetes has no certificate of its own, and does not speak the PROXY protocol.
    let may_ask = plan.options.tls_cert.is_none() && !plan.has_proxy_protocol();
    let ask = |path: Option<&str>| match path {
        Some(path) if may_ask => {
            format!("httpGet: {{ path: {}, port: http{scheme} }}", json!(path))
        }
        _ => "tcpSocket: { port: http }".into(),
    };
    let (ready, alive) = (ask(plan.probe()), ask(plan.app.health.as_deref()));
    format!(
        "          startupProbe: {{ {ready}, periodSeconds: 1, failureThreshold: 60 }}\n          \
         livenessProbe: {{ {alive}, periodSeconds: 10, timeoutSeconds: 5 }}\n          \
         readinessProbe: {{ {ready}, periodSeconds: 2, failureThreshold: 1 }}\n"
    )
}

/// Returns HAProxy, its configuration, and the Ingress to it.
fn balancer(plan: &Plan) -> Result<String, Error> {
    let configuration = haproxy::configuration(plan)?;
    let tls = plan.options.tls_ca.is_some() || plan.options.certificate.is_some();
    let (mount, volume) = match tls {
        true => (
            ", { name: tls, mountPath: /etc/haproxy/tls, readOnly: true }",
            format!(", {{ name: tls, secret: {{ secretName: {} }} }}", plan.name("balancer-tls")),
        ),
        false => ("", String::new()),
    };
    let host = plan.options.domain.as_ref().map(|name| format!("host: {}, ", json!(name))).unwrap_or_default();
    let name = plan.name("balancer");
    Ok(format!(
        r#"---
apiVersion: v1
kind: ConfigMap
metadata: {{ name: {name}, namespace: {namespace} }}
data:
  haproxy.cfg: |
{lines}---
apiVersion: apps/v1
kind: Deployment
metadata: {{ name: {name}, namespace: {namespace}, labels: {{ app: {name} }} }}
spec:
  replicas: {REPLICAS}
  selector: {{ matchLabels: {{ app: {name} }} }}
  strategy: {{ rollingUpdate: {{ maxSurge: 1, maxUnavailable: 0 }} }}
  template:
    # Another configuration starts new processes.
    metadata: {{ labels: {{ app: {name} }}, annotations: {{ configuration: "{hash:016x}" }} }}
    spec:
      terminationGracePeriodSeconds: 75
      securityContext: {{ runAsNonRoot: true, runAsUser: 99, seccompProfile: {{ type: RuntimeDefault }} }}
      containers:
        - name: haproxy
          image: {image}
          ports: [{{ name: http, containerPort: {port} }}, {{ name: observers, containerPort: 8404 }}]
          readinessProbe: {{ httpGet: {{ path: /healthz, port: observers }}, periodSeconds: 2 }}
          livenessProbe: {{ httpGet: {{ path: /healthz, port: observers }}, periodSeconds: 10, timeoutSeconds: 5 }}
          # New connections arrive until all nodes know of the stop. Then SIGUSR1, the image's signal for a stop,
          # lets HAProxy finish its requests.
          lifecycle: {{ preStop: {{ exec: {{ command: [sleep, "5"] }} }} }}
          resources:
            requests: {{ cpu: 250m, memory: 512Mi }}
            limits: {{ memory: 512Mi }}
          securityContext: {SECURITY}
          volumeMounts: [{{ name: configuration, mountPath: /usr/local/etc/haproxy }}{mount}]
      volumes: [{{ name: configuration, configMap: {{ name: {name} }} }}{volume}]
---
apiVersion: v1
kind: Service
metadata: {{ name: {name}, namespace: {namespace} }}
spec:
  selector: {{ app: {name} }}
  ports: [{{ name: http, port: 80, targetPort: http }}]
{budget}---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{ name: {app}, namespace: {namespace} }}
spec:
  rules:
    - {{ {host}http: {{ paths: [{{ path: /, pathType: Prefix, backend: {{ service: {{ name: {name}, port: {{ name: http }} }} }} }}] }} }}
"#,
        namespace = json!(plan.namespace()),
        lines = indented(&configuration, "    "),
        hash = hash(&configuration),
        image = json!(plan.haproxy_image()),
        port = plan.bind_port(),
        budget = budget(plan, &name),
        app = plan.name(""),
    ))
}

/// Returns a text for a block of YAML.
pub(super) fn indented(text: &str, by: &str) -> String {
    text.lines().map(|line| if line.is_empty() { "\n".into() } else { format!("{by}{line}\n") }).collect()
}

/// Returns the same number for the same text in every version of this program (FNV-1a).
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
