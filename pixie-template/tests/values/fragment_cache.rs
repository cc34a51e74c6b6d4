//! The fragment cache: its bounds, its order and its invalidation.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use pixie_template::{Fragment, FragmentCache, template};

#[template(source = "<b>{{ text }}</b>")]
struct Bold {
    text: String,
}

fn bold(text: &str) -> Bold {
    Bold { text: text.to_owned() }
}

/// Asks for a fragment of the text under the key and says whether it had to be rendered.
fn is_rendered(cache: &FragmentCache, key: &str) -> bool {
    let mut rendered = false;
    let view = || {
        rendered = true;
        bold(key)
    };
    cache.get_or_render(key, view).expect("bold text renders");
    rendered
}

#[test]
fn a_fragment_is_rendered_once_until_it_is_invalidated() {
    let cache = FragmentCache::new(8, 1000);
    assert!(is_rendered(&cache, "a"));
    assert!(!is_rendered(&cache, "a"));
    cache.invalidate("b");
    assert!(!is_rendered(&cache, "a"));
    cache.invalidate("a");
    assert!(is_rendered(&cache, "a"));
    cache.clear();
    assert!(cache.is_empty() && cache.bytes() == 0);
    assert!(is_rendered(&cache, "a"));
}

#[test]
fn the_fragment_unused_for_longest_goes_first() {
    let cache = FragmentCache::new(2, 1000);
    is_rendered(&cache, "a");
    is_rendered(&cache, "b");
    is_rendered(&cache, "a");
    is_rendered(&cache, "c");
    assert_eq!(cache.len(), 2);
    assert!(!is_rendered(&cache, "a"));
    assert!(is_rendered(&cache, "b"));
}

#[test]
fn bytes_of_keys_and_fragments_are_bounded() {
    // `<b>a</b>` with its key takes 9 bytes.
    let cache = FragmentCache::new(100, 27);
    for key in ["a", "b", "c", "d"] {
        is_rendered(&cache, key);
        assert!(cache.bytes() <= 27);
    }
    assert_eq!((cache.len(), cache.bytes()), (3, 27));
    assert!(is_rendered(&cache, "a"));
}

#[test]
fn a_fragment_larger_than_the_cache_is_returned_and_not_kept() {
    let cache = FragmentCache::new(100, 27);
    is_rendered(&cache, "a");
    let long = "x".repeat(100);
    let fragment = cache.get_or_render("long", || bold(&long)).expect("bold text renders");
    assert_eq!(fragment.as_str().len(), 107);
    assert!(!is_rendered(&cache, "a"));
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_cache_of_no_entries_keeps_nothing() {
    let cache = FragmentCache::new(0, 1000);
    assert!(is_rendered(&cache, "a"));
    assert!(is_rendered(&cache, "a"));
}

#[test]
fn a_fragment_rendered_before_an_invalidation_is_not_kept() {
    let cache = FragmentCache::new(8, 1000);
    let view = || {
        cache.invalidate("a");
        bold("old")
    };
    assert_eq!(cache.get_or_render("a", view).expect("bold text renders").as_str(), "<b>old</b>");
    assert!(is_rendered(&cache, "a"));
}

#[test]
fn a_fragment_is_inserted_as_it_is() {
    #[template(source = "<p>{{ fragment }}{{ text }}</p>")]
    struct Page {
        fragment: Fragment,
        text: &'static str,
    }
    let cache = FragmentCache::new(8, 1000);
    let fragment = cache.get_or_render("a", || bold("<&>")).expect("bold text renders");
    let page = Page { fragment, text: "<" };
    assert_eq!(page.to_string(), "<p><b>&#60;&#38;&#62;</b>&#60;</p>");
}

#[test]
fn threads_share_a_cache_and_its_bounds_hold() {
    let cache = FragmentCache::new(4, 1000);
    let rendered = AtomicUsize::new(0);
    thread::scope(|scope| {
        for worker in 0..4_usize {
            let (cache, rendered) = (&cache, &rendered);
            scope.spawn(move || {
                for turn in 0..200_usize {
                    let key = ((worker + turn) % 8).to_string();
                    rendered.fetch_add(usize::from(is_rendered(cache, &key)), Ordering::Relaxed);
                    assert!(cache.len() <= 4);
                }
            });
        }
    });
    assert_eq!((cache.len(), cache.bytes()), (4, 4 * 9));
    assert!(rendered.load(Ordering::Relaxed) >= 8);
}
