//! Lets generated code find out whether a type implements `Deref` and so may have fields that the macro
//! cannot see.
//!
//! The inherent constant exists only for types with `Deref`, and Rust prefers it to the trait's constant. So
//! `Reads::<T>::PASSED_ON` is true or false, and compiles for every type.

use std::{marker::PhantomData, ops::Deref};

/// Carries the answer for one type.
#[derive(Debug)]
pub struct Reads<T: ?Sized>(PhantomData<T>);

impl<T: Deref + ?Sized> Reads<T> {
    /// True: the type implements `Deref`.
    pub const PASSED_ON: bool = true;
}

/// The answer for every other type.
pub trait PassesNothingOn {
    /// False: the type does not implement `Deref`.
    const PASSED_ON: bool = false;
}

impl<T: ?Sized> PassesNothingOn for Reads<T> {}
