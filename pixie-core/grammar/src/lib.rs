//! What the pixie web framework reads from text, once for the attributes, the builders and the environment.
//!
//! [`ByteSize`] and [`parse_duration`] read the values of options, [`parse_path`] reads the path of a route,
//! and [`RouteOption`] says which options a route may have. The crate has no dependencies, so that attribute
//! macros and the worker pool can use it as well. Use its types through `pixie-web` or `pixie-pool`.
#![forbid(unsafe_code)]

mod filter;
mod normal;
mod path;
mod quantity;
mod route_option;
mod route_type;

pub use filter::Filter;
pub use normal::{BadPath, normalize};
pub use path::{PathPart, PatternError, parse_path};
pub use quantity::{ByteSize, parse_duration};
pub use route_option::{OptionValue, RouteOption, check_header_value};
pub use route_type::RouteType;
