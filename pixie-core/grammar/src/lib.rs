//! What the pixie web framework reads from text, once for the attributes, the builders and the environment.
//!
//! [`ByteSize`] and [`parse_duration, parse_rate`] read the values of options, [`parse_path`] reads the path of a route,
//! [`RouteOption`] says which options a route may have, and [`Setting`] is a row of a configuration. The
//! crate has no dependencies (except for `.env` files, a feature), so that attribute macros and the worker
//! pool can use it as well. Use its types through `pixie-web` or `pixie-pool`.
#![forbid(unsafe_code)]

#[cfg(feature = "env-file")]
mod env_file;
mod filter;
mod nearest;
mod normal;
mod path;
mod quantity;
mod route_option;
mod route_type;
mod setting;

#[cfg(feature = "env-file")]
pub use env_file::{EnvVariable, parse_env_file};
pub use filter::Filter;
pub use nearest::{distance, nearest};
pub use normal::{BadPath, normalize};
pub use path::{PathPart, PatternError, parse_path};
pub use quantity::{ByteSize, parse_duration, parse_rate};
pub use route_option::{OptionValue, RouteOption, check_header_value};
pub use route_type::RouteType;
pub use setting::{Setting, TextValue, read_within};
