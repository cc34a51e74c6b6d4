//! The status as a page in a real browser: it is live, fits on a phone, and can be read in light and dark.
use std::io::Write;

use serde_json::Value;

use crate::{
    browser::Browser,
    pages::picture,
    support::{Program, until},
};

/// The lowest contrast of visible text with what is behind it, as WCAG 2 defines it.
pub(crate) const CONTRAST: &str = r#"
    const parts = color => color.match(/[\d.]+/g).map(Number);
    const light = color => {
        const [r, g, b] = parts(color).map(part => (part /= 255) <= .04045 ? part / 12.92 : ((part + .055) / 1.055) ** 2.4);
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const behind = node => {
        const color = node ? getComputedStyle(node).backgroundColor : "rgb(255, 255, 255)";
        return parts(color)[3] === 0 ? behind(node.parentElement) : color;
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let lowest = 21;
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
        const [one, two] = [light(getComputedStyle(node).color), light(behind(node))].sort((a, b) => b - a);
        lowest = Math.min(lowest, (one + .05) / (two + .05));
    }
    return lowest;
"#;

#[pixie_browser_test::browser_test]
fn operators_see_workers_jobs_and_crashes_live_without_a_reload() {
    let Some(browser) = Browser::start() else { return };
    let mut faults = Program::start_with("faults", &[("PIXIE_WORKERS", "2"), ("PIXIE_DEV", "0")]);
    browser.open(&format!("http://localhost:{}/status", faults.port));
    browser.wait_for("Live");
    browser.script("window.isFirst = true; window.head = document.querySelector('th')");
    assert_eq!(faults.get("/segv").status, 502);
    browser.wait_for("Exit: SIGSEGV");
    #[cfg(feature = "metrics")]
    until("the route is shown with its time and its failures", || {
        let row = "return document.querySelector('#routes tbody tr').innerText.replaceAll('\\t', ' ')";
        let text = browser.script(row).as_str()?.to_owned();
        (text.starts_with("segv ") && text.contains(" ms ") && text.ends_with(" 1 1")).then_some(())
    });
    let mut sleeper = faults.connect();
    sleeper
        .write_all(b"GET /sleep/60000 HTTP/1.1\r\nHost: localhost\r\nX-Request-Id: seen-7\r\n\r\n")
        .expect("the request can be sent");
    until("the job is shown with its time and its memory", || {
        let row = "return document.querySelector('tr.busy')?.innerText.replaceAll('\\t', ' ')";
        let text = browser.script(row).as_str()?.to_owned();
        (text.contains("busy slow · seen-7 ") && text.contains(" s ") && text.contains(" MB")).then_some(())
    });
    for (scheme, width, name) in
        [("light", 1100, "light"), ("dark", 1100, "dark"), ("light", 390, "phone"), ("dark", 390, "phone-dark")]
    {
        browser.look(scheme, width, 900);
        let contrast = browser.script(CONTRAST).as_f64();
        assert!(contrast >= Some(4.5), "{name}: the contrast is {contrast:?}");
        let beyond = browser.script("return document.documentElement.scrollWidth - innerWidth").as_f64();
        assert!(beyond <= Some(0.0), "{name}: the page is {beyond:?} pixels too wide");
        browser.screenshot(&picture(&format!("status-{name}.png")));
    }
    assert_eq!(browser.script("return window.isFirst && window.head.isConnected"), true, "it did not reload");
    let foreign = "return performance.getEntriesByType('resource').filter(({name}) => !name.startsWith(origin)).length";
    assert_eq!(browser.script(foreign), 0, "it loads nothing from another host");
    faults.signal("KILL");
    faults.wait();
    browser.wait_for("No answer");
}

#[test]
fn browsers_get_the_page_and_programs_the_json_with_the_same_guard() {
    let faults = Program::start("faults");
    let ask = |target: &str, headers: &str| {
        faults.ask(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"))
    };
    let html = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n";
    for (target, headers, media) in [
        ("/status", "", "application/json"),
        ("/status", "Accept: */*\r\n", "application/json"),
        ("/status", html, "text/html; charset=utf-8"),
        ("/status?style.css", "Accept: text/css,*/*;q=0.1\r\n", "text/css; charset=utf-8"),
        ("/status?script.js", "Accept: */*\r\n", "text/javascript; charset=utf-8"),
    ] {
        let answer = ask(target, headers);
        assert!(answer.status == 200 && answer.head.contains(&format!("content-type: {media}\r\n")), "{answer:?}");
        assert!(answer.head.contains("cache-control: no-store\r\n"), "{}", answer.head);
        let refused = ask(target, &format!("{headers}Via: 1.1 proxy\r\n"));
        assert_eq!(refused.status, 403, "{target}");
    }
    let page = ask("/status", html);
    assert!(page.head.contains("content-security-policy: default-src 'none'; style-src 'self'; script-src 'self';"));
    assert!(!page.body.contains("<style") && !page.body.contains("style=") && !page.body.contains("http"), "{page:?}");
    let json: Value = serde_json::from_str(&ask("/status", "").body).expect("it is JSON");
    assert!(json["pools"][0]["workers"].is_array(), "{json}");
}
