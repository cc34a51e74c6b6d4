//! `pixie new` and `pixie init`: what they print and which files they leave, mainly when something fails.
//!
//! Several cases test problems of cargo-generate, which fills in the templates: it prints, it reads the
//! user's environment and configuration, and it changes names.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

use insta::assert_snapshot;

use crate::support::{World, checkout, environment};

#[test]
fn a_new_project_is_shown_with_the_next_commands() {
    let world = World::new();
    assert_snapshot!(world.run(&["new", "blog"]));
    assert!(exists(&world, "blog/.git/HEAD"));
    assert_eq!(list(&world).len(), 7, "nothing else is left: {:?}", list(&world));
}

#[test]
fn the_app_template_can_leave_parts_out() {
    let world = World::new();
    assert_snapshot!(world.run(&["new", "my-app", "--template", "app", "-d", "docker=false", "--define", "ci=false"]));
    assert!(
        read(&world, "my-app/src/snapshots/my_app__tests__a_missing_page_has_the_error_page.snap")
            .contains("· my-app<")
    );
}

#[test]
fn a_program_gets_json_and_nothing_else() {
    let world = World::new();
    assert_snapshot!(world.run(&["new", "deep/blog", "--json", "--vcs", "none"]));
}

#[test]
fn a_checkout_is_used_by_path() {
    let world = World::new();
    world.run(&["new", "blog", "--template", "app"]);
    assert_snapshot!(read(&world, "blog/Cargo.toml"));
}

#[test]
fn files_that_only_work_on_other_machines_are_left_out_with_crates_of_this_one() {
    let world = World::new();
    world.run(&["new", "here", "--template", "app"]);
    assert!(!exists(&world, "here/Dockerfile") && !exists(&world, "here/.github"));
    world.run(&["new", "asked", "--template", "app", "--define", "docker=true"]);
    assert!(exists(&world, "asked/Dockerfile") && !exists(&world, "asked/.github"));
    world.run(&["new", "anywhere", "--template", "app", "--pixie-path", "registry"]);
    assert!(exists(&world, "anywhere/Dockerfile") && exists(&world, "anywhere/.github"));
}

#[test]
fn a_dry_run_lists_the_files_and_leaves_nothing() {
    let world = World::new();
    assert_snapshot!(world.run(&["new", "blog", "--dry-run"]));
    assert_eq!(list(&world), [""; 0]);
}

#[test]
fn quiet_prints_nothing() {
    let world = World::new();
    assert_eq!(world.run(&["new", "blog", "--quiet"]), "code 0\n--- stdout\n--- stderr\n");
    assert!(exists(&world, "blog/Cargo.toml"));
}

#[test]
fn bad_names_are_refused_with_a_better_one() {
    let world = World::new();
    let names = ["fn", "test", "std", "123abc", "My App", "foo.bar", "CON", "naïve", "deps", "serde"];
    let shown: Vec<_> = names.iter().map(|name| world.run(&["new", name, "--template", "app"])).collect();
    assert_snapshot!(shown.join("\n"));
    assert_eq!(list(&world), [""; 0]);
}

#[test]
fn the_folder_may_have_another_name_than_the_project() {
    let world = World::new();
    world.run(&["new", "some/2nd place", "--name", "blog"]);
    assert!(read(&world, "some/2nd place/Cargo.toml").contains("name = \"blog\""));
}

#[test]
fn a_name_is_needed_where_nobody_can_be_asked() {
    assert_snapshot!(World::new().run(&["new"]));
}

#[test]
fn new_does_not_work_in_the_folder_it_is_in() {
    assert_snapshot!(World::new().run(&["new", "."]));
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let world = World::new();
    world.write("blog/mine.txt", "mine");
    assert_snapshot!(world.run(&["new", "blog"]));
    assert_eq!(list(&world), ["blog", "blog/mine.txt"]);
}

#[test]
fn a_file_in_the_way_is_named() {
    let world = World::new();
    world.write("blog", "a file");
    assert_snapshot!(world.run(&["new", "blog"]));
    assert_snapshot!(world.run(&["new", "blog/below"]));
}

#[test]
fn an_empty_folder_is_filled() {
    let world = World::new();
    fs::create_dir(world.root.join("blog")).unwrap();
    world.run(&["new", "blog"]);
    assert!(exists(&world, "blog/src/main.rs"));
    assert_eq!(list(&world).len(), 7, "{:?}", list(&world));
}

#[test]
fn force_replaces_files_of_the_same_name_and_keeps_the_others() {
    let world = World::new();
    world.write("blog/README.md", "old");
    world.write("blog/mine.txt", "mine");
    assert_snapshot!(world.run(&["new", "blog", "--force"]));
    assert!(read(&world, "blog/README.md").starts_with("# blog"));
    assert_eq!(read(&world, "blog/mine.txt"), "mine");
    assert_eq!(list(&world).len(), 8, "{:?}", list(&world));
}

#[test]
fn init_keeps_what_is_there_and_refuses_to_replace_it() {
    let world = World::new();
    world.write("blog/src/main.rs", "old");
    world.write("blog/mine.txt", "mine");
    assert_snapshot!(world.run(&["-C", "blog", "init"]));
    assert_eq!(list(&world), ["blog", "blog/mine.txt", "blog/src", "blog/src/main.rs"]);
    fs::remove_file(world.root.join("blog/src/main.rs")).unwrap();
    assert_snapshot!(world.run(&["-C", "blog", "init"]));
}

#[cfg(target_os = "linux")]
#[test]
fn a_place_where_one_may_not_write_is_named() {
    // Nobody may create folders there, not even root, whom permissions do not stop.
    let shown = World::new().run(&["new", "/proc/self/blog"]);
    insta::with_settings!({filters => vec![(r"could not create a folder: .*", "could not create a folder: [REASON]"), (r"/proc/\d+", "/proc/[PID]")]}, {
        assert_snapshot!(shown);
    });
}

#[test]
fn the_environment_of_cargo_generate_is_not_heard() {
    let world = World::new();
    world.write("home/cargo-generate.toml", "this is = no [valid configuration");
    world.write("template/Cargo.toml", "[package]\nname = \"{{project-name}}\"\ndescription = \"{{what}}\"\n");
    world.write(
        "template/cargo-generate.toml",
        "[placeholders]\nwhat = { type = \"string\", prompt = \"What?\", default = \"the default\" }\n",
    );
    let mut command = world.pixie(&["new", "blog", "--path", "template"]);
    for name in ["USER", "USERNAME", "NAME", "CARGO_NAME", "GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "HOME"] {
        command.env_remove(name);
    }
    command.env("CARGO_HOME", world.root.join("home")).env("CARGO_GENERATE_VALUE_WHAT", "from the environment");
    command.env("CARGO_GENERATE_TEMPLATE_VALUES_FILE", "/nowhere");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", world.shown(&output));
    assert!(read(&world, "blog/Cargo.toml").contains("the default"), "{}", read(&world, "blog/Cargo.toml"));
}

#[test]
fn a_template_that_cannot_be_filled_in_leaves_nothing() {
    let world = World::new();
    world.write("template/Cargo.toml", "[package]\nname = \"{{project-name}}\"\n");
    world.write("template/src/main.rs", "fn main() { println!(\"{{}}\"); }\n");
    assert_snapshot!(world.run(&["new", "blog", "--path", "template"]));
    assert!(!exists(&world, "blog"));
    assert!(
        !list(&world).iter().any(|name| name.contains(".pixie") || name.starts_with(".tmp/")),
        "{:?}",
        list(&world)
    );
}

#[test]
fn a_question_without_an_answer_names_the_flag() {
    let world = World::new();
    world.write("template/Cargo.toml", "[package]\nname = \"{{project-name}}\"\n");
    world.write("template/cargo-generate.toml", "[placeholders]\nwhat = { type = \"string\", prompt = \"What?\" }\n");
    assert_snapshot!(world.run(&["new", "blog", "--path", "template"]));
    assert_snapshot!(world.run(&["new", "blog", "--path", "template", "--define", "what"]));
    assert!(world.run(&["new", "blog", "--path", "template", "--define", "what=that"]).starts_with("code 0"));
}

#[test]
fn an_answer_that_does_not_fit_is_refused() {
    let world = World::new();
    assert_snapshot!(world.run(&["new", "blog", "--template", "app", "--define", "docker=perhaps"]));
    let slip = world.run(&["new", "blog", "--template", "app", "--define", "dokcer=false"]);
    assert!(slip.starts_with("code 2\n") && slip.contains("help: its questions are `docker` and `ci`\n"), "{slip}");
    assert_eq!(list(&world), [""; 0]);
}

#[cfg(unix)]
#[test]
fn files_that_a_template_does_not_list_are_copied_as_they_are() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new();
    world.write("template/Cargo.toml.liquid", "[package]\nname = \"{{project-name}}\"\n");
    world.write("template/cargo-generate.toml", "[template]\ninclude = [\"Cargo.toml\"]\n");
    let source = "fn main( ) {println!(\"{{}}, {{project-name}}\");}\n";
    world.write("template/src/main.rs", source);
    fs::write(world.root.join("template/logo.bin"), [0, 159, 146, 150]).unwrap();
    fs::set_permissions(world.root.join("template/logo.bin"), fs::Permissions::from_mode(0o755)).unwrap();
    world.run(&["new", "blog", "--path", "template"]);
    assert_eq!(read(&world, "blog/Cargo.toml"), "[package]\nname = \"blog\"\n");
    assert_eq!(read(&world, "blog/src/main.rs"), source, "neither filled in nor formatted");
    assert_eq!(fs::read(world.root.join("blog/logo.bin")).unwrap(), [0, 159, 146, 150]);
    let mode = fs::metadata(world.root.join("blog/logo.bin")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0o111, "it can no longer be executed");
}

#[test]
fn a_script_of_a_template_may_not_start_programs_unasked() {
    let world = World::new();
    world.write("template/Cargo.toml", "[package]\nname = \"{{project-name}}\"\n");
    world.write("template/cargo-generate.toml", "[hooks]\npre = [\"first.rhai\"]\n");
    world.write("template/first.rhai", "system::command(\"touch\", [\"touched\"]);");
    let shown = world.run(&["new", "blog", "--path", "template"]);
    assert!(shown.starts_with("code 1\n"), "{shown}");
    assert!(!exists(&world, "blog") && !list(&world).iter().any(|name| name.contains("touched")), "{shown}");
}

#[test]
fn a_move_that_fails_half_way_is_undone() {
    let world = World::new();
    world.write("blog/README.md", "old");
    world.write("blog/src", "a file where a folder has to be");
    assert_snapshot!(world.run(&["new", "blog", "--force"]));
    assert_eq!(list(&world), ["blog", "blog/README.md", "blog/src"]);
    assert_eq!(read(&world, "blog/README.md"), "old");
}

#[cfg(unix)]
#[test]
fn a_new_folder_has_ordinary_permissions() {
    let world = World::new();
    fs::create_dir(world.root.join("ordinary")).unwrap();
    world.run(&["new", "blog"]);
    let permissions = |name: &str| fs::metadata(world.root.join(name)).unwrap().permissions();
    assert_eq!(permissions("blog"), permissions("ordinary"));
}

#[test]
fn a_template_must_be_a_cargo_project() {
    let world = World::new();
    world.write("template/README.md", "nothing else");
    assert_snapshot!(world.run(&["new", "blog", "--path", "template"]));
    assert_snapshot!(world.run(&["new", "blog", "--path", "nowhere"]));
    assert!(!exists(&world, "blog"));
}

#[test]
fn a_template_comes_from_a_git_repository() {
    let world = World::new();
    world.write(
        "template/inner/Cargo.toml",
        "[package]\nname = \"{{project-name}}\"\n[dependencies]\npixie-web = \"0.1\"\n",
    );
    git(&world, "template", &["init", "--quiet", "--initial-branch", "main"]);
    git(&world, "template", &["add", "."]);
    git(&world, "template", &["commit", "--quiet", "-m", "A template"]);
    let url = format!("file://{}", world.root.join("template").display());
    assert_snapshot!(world.run(&["new", "blog", "--git", &url, "--branch", "main", "--folder", "inner", "--yes"]));
    assert_snapshot!(read(&world, "blog/Cargo.toml"));
    let missing = format!("file://{}", world.root.join("missing").display());
    let shown = world.run(&["new", "other", "--git", &missing]);
    assert!(shown.contains("error: could not fetch the template: ") && shown.contains("help: "), "{shown}");
    assert!(!exists(&world, "other"));
}

#[test]
fn a_template_with_scripts_is_announced() {
    let world = World::new();
    world.write("template/Cargo.toml", "[package]\nname = \"{{project-name}}\"\n");
    world.write("template/cargo-generate.toml", "[hooks]\npre = [\"first.rhai\"]\n");
    world.write("template/first.rhai", "print(\"a script\");");
    assert_snapshot!(world.run(&["new", "blog", "--path", "template"]));
}

#[test]
fn a_project_in_a_repository_gets_none_of_its_own() {
    let world = World::new();
    git(&world, ".", &["init", "--quiet"]);
    let shown = world.run(&["new", "blog"]);
    assert!(!exists(&world, "blog/.git") && !shown.contains("Initialised"), "{shown}");
}

#[test]
fn a_project_joins_the_workspace_around_it_and_comments_stay() {
    let world = World::new();
    let before = "# ours\n[workspace]\nmembers = [\n    \"one\", # the first\n]\nresolver = \"3\" # stays\n";
    world.write("Cargo.toml", before);
    world.write("one/Cargo.toml", "[package]\nname = \"one\"\nversion = \"0.1.0\"\n");
    world.write("one/src/lib.rs", "");
    assert_snapshot!(world.run(&["new", "apps/blog"]));
    assert_snapshot!(read(&world, "Cargo.toml"));
    assert!(!read(&world, "apps/blog/Cargo.toml").contains("profile"));
}

#[test]
fn a_project_does_not_join_the_workspace_of_pixie() {
    let world = World::new();
    git(&world, ".", &["init", "--quiet"]);
    let before = "[workspace]\nmembers = [\".\"]\n\n[package]\nname = \"pixie-web\"\nversion = \"0.1.0\"\n";
    world.write("Cargo.toml", before);
    world.write("src/lib.rs", "");
    let shown = world.run(&["new", "examples/blog"]);
    assert!(shown.starts_with("code 0") && !shown.contains("Joined"), "{shown}");
    assert_eq!(read(&world, "Cargo.toml"), before);
    let manifest = read(&world, "examples/blog/Cargo.toml");
    assert!(manifest.contains("\n[workspace]\n") && manifest.contains("profile"), "{manifest}");
    assert!(exists(&world, "examples/blog/.git"));
    // cargo takes it for a workspace, with a lock file of its own.
    let mut cargo = Command::new("cargo");
    let found = cargo.args(["locate-project", "--workspace", "--message-format", "plain"]);
    let found = found.current_dir(world.root.join("examples/blog")).output().unwrap();
    assert!(String::from_utf8_lossy(&found.stdout).trim().ends_with("examples/blog/Cargo.toml"), "{found:?}");
}

#[test]
fn a_pattern_of_the_workspace_is_enough() {
    let world = World::new();
    let before = "[workspace]\nmembers = [\"apps/*\"]\nexclude = [\"other\"]\n";
    world.write("Cargo.toml", before);
    world.write("apps/one/Cargo.toml", "[package]\nname = \"one\"\nversion = \"0.1.0\"\n");
    world.write("apps/one/src/lib.rs", "");
    world.run(&["new", "apps/blog"]);
    world.run(&["new", "other/shop"]);
    assert_eq!(read(&world, "Cargo.toml"), before);
    assert!(read(&world, "other/shop/Cargo.toml").contains("profile"));
}

#[cfg(unix)]
#[test]
fn an_interrupted_command_leaves_nothing_and_ends_with_130() {
    let world = World::new();
    // A git that reports its start, and then waits forever.
    let (bin, started) = (world.root.join("bin"), world.root.join("started"));
    world.write(
        "bin/git",
        &format!(
            "#!/bin/sh\n[ \"$1\" = clone ] || exit 1\nmkfifo '{0}.never'\necho > '{0}'\nread line < '{0}.never'\n",
            started.display()
        ),
    );
    fs::set_permissions(bin.join("git"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let made = Command::new("mkfifo").arg(&started).status().unwrap();
    assert!(made.success());

    let mut command = world.pixie(&["new", "blog", "--git", "https://example.com/template"]);
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let child = command.env("PATH", path).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Opening a pipe waits for the other side.
    fs::read(&started).unwrap();
    let pid = rustix::process::Pid::from_raw(child.id().cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();

    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", world.shown(&output));
    assert!(output.stderr.is_empty(), "{}", world.shown(&output));
    assert!(
        !list(&world).iter().any(|name| name.starts_with("blog") || name.starts_with(".tmp/")),
        "{:?}",
        list(&world)
    );
}

/// Runs git in a folder of the world.
fn git(world: &World, folder: &str, arguments: &[&str]) {
    let identity = ["-c", "user.name=you", "-c", "user.email=you@example.com"];
    let mut git = Command::new("git");
    environment::clean(&mut git).args(identity).args(arguments).current_dir(world.root.join(folder));
    let output = git.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn read(world: &World, path: &str) -> String {
    fs::read_to_string(world.root.join(path)).unwrap().replace(&checkout().display().to_string(), "[PIXIE]")
}

fn exists(world: &World, path: &str) -> bool {
    world.root.join(path).symlink_metadata().is_ok()
}

/// Every file and folder, hidden ones too, but for git's own and the folder of temporary files itself.
fn list(world: &World) -> Vec<String> {
    let mut found = Vec::new();
    walk(&world.root, &world.root, &mut found);
    found.sort();
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        if name.ends_with(".git") {
            continue;
        }
        if name != ".tmp" {
            found.push(name);
        }
        if path.is_dir() {
            walk(root, &path, found);
        }
    }
}
