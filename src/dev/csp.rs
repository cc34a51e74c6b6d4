//! Adds only the development script to a page's own Content-Security-Policy.
//!
//! The script is a file of the same origin, so most policies allow it already. `'self'` is added if a policy
//! lists only other sources. A nonce is added only if `'strict-dynamic'` makes browsers ignore `'self'`,
//! because a nonce turns off the page's `'unsafe-inline'`.
use http::{HeaderMap, HeaderName, HeaderValue, header};

const NAMES: [HeaderName; 2] = [header::CONTENT_SECURITY_POLICY, header::CONTENT_SECURITY_POLICY_REPORT_ONLY];

/// Changes the policies of a response.
pub(super) fn admit(headers: &mut HeaderMap, nonce: &str) {
    for name in NAMES {
        let policies: Vec<_> = headers.get_all(&name).iter().map(|value| admitted(value, nonce)).collect();
        headers.remove(&name);
        for policy in policies {
            headers.append(name.clone(), policy);
        }
    }
}

fn admitted(value: &HeaderValue, nonce: &str) -> HeaderValue {
    let changed = value.to_str().ok().map(|text| text.split(',').map(|one| policy(one, nonce)).collect::<Vec<_>>());
    changed.and_then(|all| HeaderValue::try_from(all.join(", ")).ok()).unwrap_or_else(|| value.clone())
}

/// Returns the policy with the script and its event stream allowed.
pub(super) fn policy(text: &str, nonce: &str) -> String {
    let mut directives: Vec<Vec<String>> = text
        .split(';')
        .map(|directive| directive.split_whitespace().map(str::to_owned).collect())
        .filter(|words: &Vec<String>| !words.is_empty())
        .collect();
    let has = |name: &str, all: &[Vec<String>]| all.iter().any(|words| words[0].eq_ignore_ascii_case(name));
    for wanted in ["script-src", "connect-src"] {
        // Without its own directive, `default-src` applies. A new directive would replace it, so the new one
        // starts as a copy.
        let fallback = directives.iter().find(|words| words[0].eq_ignore_ascii_case("default-src")).cloned();
        if let Some(mut copy) = fallback.filter(|_| !has(wanted, &directives)) {
            copy[0] = wanted.to_owned();
            directives.push(copy);
        }
    }
    for words in &mut directives {
        match words[0].to_ascii_lowercase().as_str() {
            "script-src" | "script-src-elem" if words.iter().any(|word| word == "'strict-dynamic'") => {
                words.push(format!("'nonce-{nonce}'"));
            }
            "script-src" | "script-src-elem" | "connect-src" => add_self(words),
            _ => {}
        }
    }
    directives.iter().map(|words| words.join(" ")).collect::<Vec<_>>().join("; ")
}

fn add_self(words: &mut Vec<String>) {
    // Browsers ignore `'none'` beside other sources.
    words.retain(|word| word != "'none'");
    if !words.iter().any(|word| word == "'self'" || word == "*") {
        words.push("'self'".to_owned());
    }
}

#[cfg(test)]
#[path = "csp/tests.rs"]
mod tests;
