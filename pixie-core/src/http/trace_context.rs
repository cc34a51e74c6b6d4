//! `TraceContext`: the place of a request in a distributed trace (W3C Trace Context,
//! <https://www.w3.org/TR/trace-context/>).
//!
//! The headers of the request carry it, also into workers. Invariant: a context can be written into a header
//! or a line of a log without escaping.
use std::{
    fmt,
    hash::{BuildHasher as _, RandomState},
};

use http::{HeaderMap, HeaderName, HeaderValue};

/// The length of a `traceparent` of version 00, in bytes.
const PARENT_BYTES: usize = 55;
/// Limits the list of a `tracestate`, in bytes. The standard asks to pass on at least 512.
const STATE_BYTES_MAX: usize = 1024;
/// Limits the members of a `tracestate` (section 3.3.1.1).
const STATE_MEMBERS_MAX: usize = 32;

/// The place of a request in a distributed trace: what `traceparent` and `tracestate` say.
///
/// A handler of any kind takes it as an argument, or as `Option<TraceContext>`: a request has one if its
/// client or proxy sends a valid `traceparent`, and always with `App::trace_contexts`. Log lines about the
/// request show its trace id. Any client can send any context, so it is a hint for logs and not a secret.
///
/// ```
/// use pixie_core::TraceContext;
/// let context = TraceContext::parse("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01").expect("it is valid");
/// assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
/// // The header `traceparent` of a request to another service.
/// let child = context.child();
/// assert!(child.to_string().starts_with("00-4bf92f3577b34da6a3ce929d0e0e4736-"));
/// assert_ne!(child.parent_id(), context.parent_id());
///
/// fn price(trace: Option<TraceContext>) -> String {
///     trace.map_or_else(|| "no trace".to_owned(), |trace| format!("trace {}", trace.trace_id()))
/// }
/// assert_eq!(price(None), "no trace");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// A `traceparent` of version 00.
    parent: [u8; PARENT_BYTES],
    state: Option<HeaderValue>,
}

impl TraceContext {
    /// The header that carries the trace and its parent.
    pub const HEADER: HeaderName = HeaderName::from_static("traceparent");
    /// The header that carries what tracing systems add.
    pub const STATE_HEADER: HeaderName = HeaderName::from_static("tracestate");

    /// Returns the context of a new trace, with random ids and the flag "sampled".
    #[expect(clippy::new_without_default, reason = "two new contexts are never equal")]
    pub fn new() -> TraceContext {
        let [high, low, span] = [random(), random(), random()];
        TraceContext::written(format_args!("00-{high:016x}{low:016x}-{span:016x}-01"), None)
    }

    /// Parses a `traceparent` (section 3.2.2). Returns `None` for the version `ff`, ids of zeros only,
    /// capital letters, and, in version 00, unknown lengths. Of a later version, the parts that version 00
    /// has are read.
    pub fn parse(text: &str) -> Option<TraceContext> {
        let bytes = text.as_bytes();
        let (known, rest) = bytes.split_at_checked(PARENT_BYTES)?;
        let [version, trace, span, flags] = [&known[..2], &known[3..35], &known[36..52], &known[53..]];
        let is_hex = |part: &[u8]| part.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        let is_zero = |part: &[u8]| part.iter().all(|byte| *byte == b'0');
        let ends = match version {
            b"00" => rest.is_empty(),
            _ => rest.is_empty() || rest[0] == b'-',
        };
        let is_valid = [version, trace, span, flags].into_iter().all(is_hex)
            && [2, 35, 52].iter().all(|dash| known[*dash] == b'-')
            && version != b"ff"
            && !(is_zero(trace) || is_zero(span));
        let mut parent = [0; PARENT_BYTES];
        parent.copy_from_slice(known);
        // What is sent on has the version that is understood here (section 4.3).
        parent[..2].copy_from_slice(b"00");
        (is_valid && ends).then_some(TraceContext { parent, state: None })
    }

    /// Returns the context that a client sent. An invalid or repeated `traceparent` counts as absent, and an
    /// invalid `tracestate` is dropped.
    pub fn from_headers(headers: &HeaderMap) -> Option<TraceContext> {
        let mut sent = headers.get_all(TraceContext::HEADER).iter();
        let (first, second) = (sent.next()?, sent.next());
        let context = TraceContext::parse(first.to_str().ok()?).filter(|_| second.is_none())?;
        Some(TraceContext { state: state(headers), ..context })
    }

    /// Returns the id of the whole trace: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.part(3..35)
    }

    /// Returns the id of the caller's operation: 16 hexadecimal digits.
    pub fn parent_id(&self) -> &str {
        self.part(36..52)
    }

    /// Returns whether the caller records its part of the trace.
    pub fn is_sampled(&self) -> bool {
        u8::from_str_radix(self.part(53..55), 16).is_ok_and(|flags| flags & 1 == 1)
    }

    /// Returns the `tracestate`, for a request to another service.
    pub fn state(&self) -> Option<&HeaderValue> {
        self.state.as_ref()
    }

    /// Returns the context for a request to another service: the same trace, with an id of its own as the
    /// parent. Its text is the header `traceparent`.
    pub fn child(&self) -> TraceContext {
        // Only the flags that version 00 defines are passed on (section 4.3): sampled, and random trace id.
        let flags = u8::from_str_radix(self.part(53..55), 16).unwrap_or(0) & 3;
        let parent = format_args!("00-{}-{:016x}-{flags:02x}", self.trace_id(), random());
        TraceContext::written(parent, self.state.clone())
    }

    /// Returns the context as the value of the header `traceparent`.
    pub fn to_value(&self) -> HeaderValue {
        HeaderValue::from_bytes(&self.parent).expect("a context has only digits, letters and dashes")
    }

    fn written(text: fmt::Arguments<'_>, state: Option<HeaderValue>) -> TraceContext {
        let mut parent = [b'0'; PARENT_BYTES];
        // All callers write exactly this number of bytes.
        let _ = std::io::Write::write_fmt(&mut &mut parent[..], text);
        TraceContext { parent, state }
    }

    fn part(&self, range: std::ops::Range<usize>) -> &str {
        std::str::from_utf8(&self.parent[range]).expect("a context is ASCII")
    }
}

impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part(0..PARENT_BYTES))
    }
}

/// Returns a random number that is not 0. The hashers of the standard library start from random keys.
fn random() -> u64 {
    RandomState::new().hash_one(0).max(1)
}

/// Returns the `tracestate` as one list, if it is valid (section 3.3.1): members `key=value`, each key once.
fn state(headers: &HeaderMap) -> Option<HeaderValue> {
    let lines = headers.get_all(TraceContext::STATE_HEADER).iter().map(HeaderValue::to_str);
    let lines = lines.collect::<Result<Vec<_>, _>>().ok()?;
    let members = lines.iter().flat_map(|line| line.split(',')).map(str::trim).filter(|member| !member.is_empty());
    let members: Vec<_> = members.collect();
    let list = members.join(",");
    let keys: Option<Vec<_>> = members.iter().map(|member| key_of(member)).collect();
    let mut keys = keys.filter(|keys| (1..=STATE_MEMBERS_MAX).contains(&keys.len()))?;
    keys.sort_unstable();
    let is_valid = list.len() <= STATE_BYTES_MAX && keys.windows(2).all(|pair| pair[0] != pair[1]);
    HeaderValue::try_from(list).ok().filter(|_| is_valid)
}

/// Returns the key of a member, if the member is valid.
fn key_of(member: &str) -> Option<&str> {
    let (key, value) = member.split_once('=')?;
    let is_key = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'*' | b'/' | b'@');
    let starts = key.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
    let is_value = |byte: &u8| matches!(byte, b' '..=b'~') && !matches!(byte, b',' | b'=');
    let fits = (1..=256).contains(&key.len()) && (1..=256).contains(&value.len());
    (fits && starts && key.bytes().all(|byte| is_key(&byte)) && value.bytes().all(|byte| is_value(&byte)))
        .then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn only_a_traceparent_of_the_standard_is_accepted() {
        for (text, is_valid) in [
            (VALID, true),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", true),
            ("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01.later", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-later", false),
            ("ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-00000000000000000000000000000000-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01", false),
            ("00-4BF92F3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-011", false),
            ("00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0", false),
            ("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0ä", false),
            ("", false),
        ] {
            assert_eq!(TraceContext::parse(text).is_some(), is_valid, "{text}");
        }
        let later = TraceContext::parse("cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-x").expect("valid");
        assert_eq!(later.to_string(), VALID, "what is sent on has version 00");
    }

    #[test]
    fn a_child_belongs_to_the_same_trace_and_has_an_id_of_its_own() {
        let context = TraceContext { state: Some(HeaderValue::from_static("a=1")), ..TraceContext::new() };
        let (one, other) = (context.child(), context.child());
        assert_eq!(one.trace_id(), context.trace_id());
        assert!(one.parent_id() != other.parent_id() && one.parent_id() != context.parent_id());
        assert_eq!(TraceContext::parse(&one.to_string()).expect("it is valid").trace_id(), context.trace_id());
        assert!(one.is_sampled() && one.state() == context.state());
        assert_ne!(TraceContext::new().trace_id(), TraceContext::new().trace_id());
    }

    #[test]
    fn an_invalid_state_is_dropped_and_several_lines_are_one_list() {
        let long = format!("a={}", "x".repeat(257));
        for (lines, expected) in [
            (&["rojo=00f067aa0ba902b7, congo=t61rcWkgMzE"][..], Some("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE")),
            (&["a=1", "tenant@b=2"], Some("a=1,tenant@b=2")),
            (&["a=1,a=2"], None),
            (&["A=1"], None),
            (&["a=1=2"], None),
            (&["a"], None),
            (&[&long], None),
            (&[""], None),
            (&[], None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TraceContext::HEADER, HeaderValue::from_static(VALID));
            for line in lines {
                headers.append(TraceContext::STATE_HEADER, HeaderValue::from_str(line).expect("a value"));
            }
            let context = TraceContext::from_headers(&headers).expect("the parent is valid");
            assert_eq!(context.state().and_then(|state| state.to_str().ok()), expected, "{lines:?}");
        }
    }

    #[test]
    fn two_parents_are_no_parent() {
        let mut headers = HeaderMap::new();
        headers.append(TraceContext::HEADER, HeaderValue::from_static(VALID));
        headers.append(TraceContext::HEADER, HeaderValue::from_static(VALID));
        assert_eq!(TraceContext::from_headers(&headers), None);
    }
}
