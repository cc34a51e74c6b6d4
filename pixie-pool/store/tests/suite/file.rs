//! The store in a file.

use pixie_store::{Builder, Error, Store};

use crate::Fixture;

pub(crate) fn fixture(builder: Builder) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = builder.open(&address(&folder)).unwrap();
    Fixture { store, _keep: Box::new(folder) }
}

fn address(folder: &tempfile::TempDir) -> String {
    format!("redb:{}", folder.path().join("store.redb").display())
}

#[test]
fn values_are_there_when_the_file_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&address(&folder)).unwrap();
    store.put("a", &1).wait().unwrap();
    drop(store);
    let store = Store::open(&address(&folder)).unwrap();
    assert_eq!(store.get::<i64>("a").wait(), Ok(Some(1)));
}

#[test]
fn the_folder_of_the_file_is_created() {
    let folder = tempfile::tempdir().unwrap();
    let address = format!("redb:{}", folder.path().join("new/data/store.redb").display());
    Store::open(&address).unwrap().put("a", &1).wait().unwrap();
    assert!(folder.path().join("new/data/store.redb").is_file());
}

#[test]
fn a_path_that_cannot_be_used_is_a_clear_error() {
    let folder = tempfile::tempdir().unwrap();
    let other = folder.path().join("other");
    std::fs::write(&other, "not a database ".repeat(1000)).unwrap();
    for path in ["", "/dev/null/store", folder.path().to_str().unwrap(), other.to_str().unwrap()] {
        let error = Store::open(&format!("redb:{path}")).unwrap_err();
        assert!(matches!(error, Error::Open { .. }) && error.to_string().contains(path), "{error}");
    }
}
