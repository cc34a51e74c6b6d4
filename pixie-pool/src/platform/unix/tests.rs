//! The descriptors that a worker shares with its parent.

use super::*;

#[test]
fn the_descriptors_of_a_worker_are_out_of_the_way_of_new_files() {
    let (kept, pipe) = io::pipe().unwrap();
    let copy = out_of_the_way(&kept).unwrap();
    assert!(std::os::fd::AsRawFd::as_raw_fd(&copy) >= OWN_DESCRIPTORS_MIN);
    assert!(rustix::io::fcntl_getfd(&copy).unwrap().contains(rustix::io::FdFlags::CLOEXEC));
    drop(pipe);
}

#[test]
fn a_program_whose_file_was_replaced_is_found_out() {
    let folder = tempfile::tempdir().unwrap();
    let (program, next) = (folder.path().join("app"), folder.path().join("next"));
    fs::write(&program, "1").unwrap();
    check_unchanged(&program).unwrap();
    check_unchanged(&program).unwrap();
    fs::write(&next, "2").unwrap();
    fs::rename(&next, &program).unwrap();
    let message = check_unchanged(&program).unwrap_err().to_string();
    assert!(
        message.ends_with("app was replaced since this server has started: reload or restart the server"),
        "{message}"
    );
    fs::remove_file(&program).unwrap();
    check_unchanged(&program).unwrap_err();
}

#[test]
fn descriptors_are_passed_in_their_order_from_3_on() {
    let folder = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        fs::write(folder.path().join(text), text).unwrap();
        OwnedFd::from(File::open(folder.path().join(text)).unwrap())
    };
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "cat <&3; cat <&4; ! true 2>/dev/null <&5"]);
    pass_descriptors(&mut command, &[file("one "), file("two ")]).unwrap();
    let output = command.output().unwrap();
    assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"one two "[..], Some(0)));
}
