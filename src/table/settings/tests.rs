//! The environment overrides the program, and an error names an invalid variable.
use super::{Settings, Workers};

fn overridden(variables: &[(&str, &str)]) -> Result<Settings, String> {
    let mut settings = Settings::default();
    let look = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
    settings.override_by(look).map(|()| settings).map_err(|error| error.to_string())
}

#[test]
fn the_environment_overrides_the_program() {
    let all = [("PIXIE_HOST", "::1"), ("PIXIE_PORT", " 80 "), ("PIXIE_WORKERS", "0"), ("PIXIE_DEV", "0")];
    let settings = overridden(&all).expect("all are right");
    assert_eq!(
        (settings.host.as_str(), settings.port, settings.workers, settings.development),
        ("::1", 80, Workers::OfEnvironment(0), false)
    );
    for (value, is_on) in [("1", true), ("true", true), ("0", false), ("false", false)] {
        assert_eq!(overridden(&[("PIXIE_DEV", value)]).expect("a switch").development, is_on, "{value}");
    }
    assert_eq!(overridden(&[]).expect("the environment may be empty").port, 8000);
}

#[test]
fn a_wrong_value_is_named_with_what_it_should_be() {
    let wrong = [
        ("PIXIE_PORT", "70000"),
        ("PIXIE_PORT", "http"),
        ("PIXIE_WORKERS", "-1"),
        ("PIXIE_DEV", "off"),
        ("PIXIE_DEV", ""),
    ];
    for (name, value) in wrong {
        let message = overridden(&[(name, value)]).expect_err("it means nothing");
        assert!(message.contains(name) && message.contains(value) && message.contains(": use "), "{message}");
    }
}
