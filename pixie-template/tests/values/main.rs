//! Tests of templates: values in, text out.
//!
//! One program for all of them, because linking costs more than running.
mod escaping;
mod filters;
mod normalized;
mod options;
mod pages;
mod respond;
