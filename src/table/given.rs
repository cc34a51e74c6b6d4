//! `Given`: the values that files and the environment give to settings, each with its origin.
//!
//! The main process reads the sources once (`config.rs`). Workers get the result, so that a file that changes
//! later cannot make them differ from their server. Invariant: every value was checked, and the secret is not
//! among the values.
use serde::{Deserialize, Serialize};

use crate::table::settings::{Row, Settings};

/// What was read, from the weakest layer to the strongest.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Given {
    pub(crate) values: Vec<GivenValue>,
    /// The secret of sealed cookies, and its origin.
    #[serde(skip)]
    pub(crate) secret: Option<(String, String)>,
    /// What the log says at the start, such as unknown variables.
    #[serde(skip)]
    pub(crate) warnings: Vec<String>,
    /// Variables that begin with `PIXIE_` and resemble no setting.
    #[serde(skip)]
    pub(crate) other_variables: Vec<String>,
    /// The files that were read.
    #[serde(skip)]
    pub(crate) files: Vec<String>,
}

/// One value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct GivenValue {
    /// Such as `server.linger` or `pools.images.size`.
    pub(crate) key: String,
    pub(crate) text: String,
    /// Such as `pixie.toml:12`, `.env:3` or `environment PIXIE_PORT`.
    pub(crate) origin: String,
}

impl GivenValue {
    /// Returns the pool and the name of the setting, if the value is for a pool.
    pub(crate) fn of_pool(&self) -> Option<(&str, &str)> {
        self.key.strip_prefix("pools.")?.rsplit_once('.')
    }
}

impl Given {
    /// Sets the settings of the app, the server and forms.
    pub(crate) fn apply(&self, settings: &mut Settings) -> Result<(), String> {
        let rows = Row::all();
        for value in &self.values {
            if let Some(row) = rows.iter().find(|row| row.key == value.key) {
                (row.write)(settings, &value.text)?;
            }
        }
        Ok(())
    }

    /// Returns the origin of the strongest value for a setting.
    pub(crate) fn origin(&self, key: &str) -> Option<&str> {
        self.values.iter().rfind(|value| value.key == key).map(|value| value.origin.as_str())
    }
}
