//! `Reader`: from the texts of files and variables to checked values of settings.
//!
//! Takes texts and returns values. Invariant: a value that it returns can be set, and a mistake names its
//! place and, if a word is misspelled, the nearest right one.
use std::collections::BTreeMap;

use pixie_grammar::{nearest, parse_env_file};
use pixie_pool::Config as PoolConfig;
use toml::de::{DeTable, DeValue};

use crate::{
    config::{SECRET, Sources},
    error::StartError,
    table::{
        given::{Given, GivenValue},
        proxies::Proxies,
        settings::{Row, Settings},
    },
};

/// The start of the variables of pools; the pool's name in capitals follows.
const OF_POOL: &str = "PIXIE_POOL_";
/// The starts of variables that only pixie has: an unknown one is a mistake or is for another version.
const OWN_PREFIXES: [&str; 3] = [OF_POOL, "PIXIE_SERVER_", "PIXIE_FORMS_"];
/// Variables that are not settings: questions to a program, and what processes of pixie tell each other.
const OTHER_VARIABLES: [&str; 14] = [
    "PIXIE_BUILD_ID",
    "PIXIE_CONFIG",
    "PIXIE_CORE_DUMPS",
    "PIXIE_DEV_HOSTS",
    "PIXIE_DEV_REPLACES",
    "PIXIE_DEV_SOCKET",
    "PIXIE_DEV_TOKEN",
    "PIXIE_DUMP",
    "PIXIE_INVITATION",
    "PIXIE_PREDECESSOR",
    "PIXIE_PRINT_CONFIG",
    "PIXIE_SECRET",
    "PIXIE_SETTINGS",
    "PIXIE_TASKS_WORKER",
];

pub(super) struct Reader<'p> {
    pools: &'p [&'p str],
    rows: Vec<Row>,
    given: Given,
    mistakes: Vec<String>,
}

impl<'p> Reader<'p> {
    pub(super) fn new(pools: &'p [&'p str]) -> Reader<'p> {
        Reader { pools, rows: Row::all(), given: Given::default(), mistakes: Vec::new() }
    }

    /// Reads all sources, from the weakest to the strongest.
    pub(super) fn read(mut self, sources: &Sources) -> Result<Given, StartError> {
        if let Some((name, text)) = &sources.toml {
            self.given.files.push(name.clone());
            self.toml(name, text);
        }
        let mut in_files = BTreeMap::new();
        for (file, text) in &sources.env_files {
            self.given.files.push(file.clone());
            match parse_env_file(text) {
                Err(line) => {
                    self.mistakes.push(format!("{file}:{line}: write NAME=value; put a value with spaces in quotes"));
                }
                Ok(variables) => {
                    self.layer(variables.iter().map(|variable| {
                        let origin = format!("{file}:{}", variable.line);
                        (variable.name.as_str(), variable.value.as_str(), origin)
                    }));
                    in_files.extend(variables.into_iter().map(|variable| (variable.name, variable.value)));
                }
            }
        }
        let is_read = |name: &str| name == SECRET || !OTHER_VARIABLES.contains(&name);
        for (name, _) in sources.environment.iter().filter(|(name, value)| value.is_none() && is_read(name)) {
            self.mistakes.push(format!("{name}: the value is not UTF-8"));
        }
        // `pixie dev` and `pixie run` have put the files' variables into the environment, those of the last file.
        let own = sources.environment.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        let own: Vec<_> = own.filter(|(name, value)| in_files.get(name) != Some(value)).collect();
        self.layer(own.iter().map(|(name, value)| (name.as_str(), value.as_str(), format!("environment {name}"))));
        match &self.mistakes[..] {
            [] => Ok(self.given),
            [one] => Err(StartError::new(one)),
            all => {
                let list = all.iter().map(|mistake| format!("\n  {mistake}")).collect::<String>();
                Err(StartError::new(format!("{} mistakes in the configuration:{list}", all.len())))
            }
        }
    }

    fn toml(&mut self, file: &str, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let place = error.span().map_or_else(|| file.to_owned(), |span| place(file, text, span.start));
            self.mistakes.push(format!("{place}: {}", error.message()));
        }
        let mut tables: Vec<_> = table.get_ref().iter().collect();
        tables.sort_by_key(|(name, _)| name.span().start);
        let (pools, others): (Vec<_>, Vec<_>) = tables.into_iter().partition(|(name, _)| name.get_ref() == "pools");
        for (name, value) in others {
            let origin = place(file, text, name.span().start);
            match (value.get_ref().as_table(), TABLES.contains(&name.get_ref().as_ref())) {
                (Some(settings), true) => self.table(name.get_ref(), settings, |at| place(file, text, at)),
                _ => self.not_a_table(name.get_ref(), &origin),
            }
        }
        for (name, value) in pools {
            if !value.get_ref().is_table() {
                self.not_a_table("pools", &place(file, text, name.span().start));
            }
            let mut pools: Vec<_> = value.get_ref().as_table().into_iter().flatten().collect();
            pools.sort_by_key(|(name, _)| name.span().start);
            for (pool, value) in pools {
                let origin = place(file, text, pool.span().start);
                match value.get_ref().as_table() {
                    Some(settings) if self.pools.contains(&pool.get_ref().as_ref()) => {
                        self.table(&format!("pools.{}", pool.get_ref()), settings, |at| place(file, text, at));
                    }
                    _ => self.mistakes.push(format!("{origin}: {}", unknown_pool(pool.get_ref(), self.pools))),
                }
            }
        }
    }

    /// Reads the settings of one table.
    fn table(&mut self, table: &str, settings: &DeTable<'_>, place: impl Fn(usize) -> String) {
        let mut settings: Vec<_> = settings.iter().collect();
        settings.sort_by_key(|(name, _)| name.span().start);
        for (name, value) in settings {
            let (key, origin) = (format!("{table}.{}", name.get_ref()), place(name.span().start));
            let text = match value.get_ref() {
                DeValue::String(text) => text.to_string(),
                DeValue::Integer(number) if number.radix() == 10 => number.as_str().to_owned(),
                DeValue::Boolean(is_on) => is_on.to_string(),
                DeValue::Array(parts) if parts.iter().all(|part| part.get_ref().is_str()) => {
                    parts.iter().filter_map(|part| part.get_ref().as_str()).collect::<Vec<_>>().join(",")
                }
                other => {
                    let found = other.type_str();
                    self.mistakes.push(format!(
                        "{origin}: `{key}` must be a text, a list of texts, a number or a boolean, not {found}"
                    ));
                    continue;
                }
            };
            self.set(&key, &text, origin);
        }
    }

    fn not_a_table(&mut self, name: &str, origin: &str) {
        let key = format!("app.{name}");
        let fix = match nearest(name, &TABLES) {
            _ if self.rows.iter().any(|row| row.key == key) => "write it below `[app]`".to_owned(),
            _ if TABLES.contains(&name) => format!("write a table, `[{name}]`"),
            Some(meant) => format!("did you mean `[{meant}]`?"),
            None => format!("there are {}", TABLES.map(|name| format!("`[{name}]`")).join(", ")),
        };
        self.mistakes.push(format!("{origin}: unknown `{name}`: {fix}"));
    }

    /// Reads the variables of one file, or of the environment.
    fn layer<'v>(&mut self, variables: impl Iterator<Item = (&'v str, &'v str, String)>) {
        let (pools, others): (Vec<_>, Vec<_>) =
            variables.filter(|(name, ..)| name.starts_with("PIXIE_")).partition(|(name, ..)| name.starts_with(OF_POOL));
        for (name, text, origin) in others {
            let row = self.rows.iter().find(|row| row.variable == name).map(|row| row.key.clone());
            match row {
                Some(key) => self.set(&key, text.trim(), origin),
                None if name == SECRET => self.given.secret = Some((text.to_owned(), origin)),
                None if OTHER_VARIABLES.contains(&name) => {}
                None => self.unknown_variable(name, &origin),
            }
        }
        // After the others, so that the size of a pool replaces the size of all pools.
        for (name, line, origin) in pools {
            self.pool_line(name, line, &origin);
        }
    }

    /// Reads a variable such as `PIXIE_POOL_IMAGES="size=2..8 deadline=2s"`.
    fn pool_line(&mut self, name: &str, line: &str, origin: &str) {
        let Some(pool) = self.pools.iter().find(|pool| PoolConfig::variable(pool) == name) else {
            return self.unknown_variable(name, origin);
        };
        for pair in PoolConfig::pairs(line) {
            match pair {
                Ok((setting, text)) => self.set(&format!("pools.{pool}.{setting}"), text, origin.to_owned()),
                Err(why) => self.mistakes.push(format!("{}: {why}", origin.trim_start_matches("environment "))),
            }
        }
    }

    /// Notes a warning if the variable looks like a setting. Otherwise it may be one of the app's own.
    fn unknown_variable(&mut self, name: &str, origin: &str) {
        let pools = self.pools.iter().map(|pool| PoolConfig::variable(pool));
        let known: Vec<_> = self.rows.iter().map(|row| row.variable.clone()).chain(pools).collect();
        let known: Vec<_> = known.iter().map(String::as_str).chain(OTHER_VARIABLES).collect();
        // Without the start that all of them have, which would make every two names similar.
        let ends: Vec<_> = known.iter().map(|name| name.trim_start_matches("PIXIE_")).collect();
        let meant = nearest(name.trim_start_matches("PIXIE_"), &ends);
        if meant.is_none() && !OWN_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            return self.given.other_variables.push(name.to_owned());
        }
        let meant = meant.map(|meant| format!(": did you mean PIXIE_{meant}?")).unwrap_or_default();
        let place = if origin.starts_with("environment") { String::new() } else { format!("{origin}: ") };
        self.given.warnings.push(format!("{place}{name} is not a setting of this program{meant}"));
    }

    /// Notes a value, or why it cannot be set.
    fn set(&mut self, key: &str, text: &str, origin: String) {
        let value = GivenValue { key: key.to_owned(), text: text.to_owned(), origin };
        let place = value.origin.trim_start_matches("environment ");
        let written = match value.of_pool() {
            Some((_, name)) => match PoolConfig::settings().iter().find(|setting| setting.name == name) {
                Some(setting) => (setting.write)(&mut PoolConfig::default(), text),
                None => {
                    let names: Vec<_> = PoolConfig::settings().iter().map(|setting| setting.name).collect();
                    return self.mistakes.push(format!("{place}: {}", unknown_key(key, name, &names)));
                }
            },
            None => match self.rows.iter().find(|row| row.key == key) {
                Some(row) => {
                    let mut settings = Settings::default();
                    (row.write)(&mut settings, text).and_then(|()| check_proxies(&settings))
                }
                None => {
                    let (table, name) = key.split_once('.').unwrap_or_default();
                    let names: Vec<_> =
                        self.rows.iter().filter_map(|row| row.key.strip_prefix(table)?.strip_prefix('.')).collect();
                    return self.mistakes.push(format!("{place}: {}", unknown_key(key, name, &names)));
                }
            },
        };
        match written {
            Ok(()) => self.given.values.push(value),
            Err(why) => self.mistakes.push(format!("{place}: cannot set `{key}` to \"{text}\": {why}{}", hint(text))),
        }
    }
}

fn check_proxies(settings: &Settings) -> Result<(), String> {
    let proxies = settings.behind_proxy.as_deref().unwrap_or_default();
    Proxies::networks(proxies).map(drop).map_err(|(text, fix)| format!("`{text}`: {fix}"))
}

/// The tables of `pixie.toml`.
const TABLES: [&str; 4] = ["app", "server", "forms", "pools"];

/// Returns the file and the line of a byte.
fn place(file: &str, text: &str, offset: usize) -> String {
    format!("{file}:{}", 1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count())
}

fn unknown_key(key: &str, name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        _ if key == "app.secret" => {
            format!("a secret is not read from this file: set {SECRET} in .env or in the environment")
        }
        Some(meant) => format!("unknown setting `{key}`: did you mean `{meant}`?"),
        None => format!("unknown setting `{key}`: `pixie config` shows all settings"),
    }
}

fn unknown_pool(name: &str, pools: &[&str]) -> String {
    match (nearest(name, pools), pools) {
        (Some(meant), _) => format!("no route runs in a pool `{name}`: did you mean `{meant}`?"),
        (None, []) => format!("no route runs in a pool `{name}`: the app has no pools"),
        (None, pools) => format!("no route runs in a pool `{name}`: there are {}", pools.join(", ")),
    }
}

/// Explains values that Kubernetes puts into variables named after services.
fn hint(text: &str) -> &'static str {
    match text.starts_with("tcp://") {
        true => " (Kubernetes sets this for a service named `pixie`: use `enableServiceLinks: false`)",
        false => "",
    }
}

#[cfg(test)]
mod tests;
