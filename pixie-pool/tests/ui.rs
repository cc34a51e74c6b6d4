//! What the compiler says about a function that cannot be a task: one error for each mistake, at the token
//! that is wrong.
//!
//! Each file in `tests/ui` has its messages in the `.stderr` file next to it; `TRYBUILD=overwrite` writes
//! them anew. They are those of the compiler that the workspace names as its `rust-version`.

#[test]
fn a_function_that_cannot_be_a_task_is_refused_at_the_token_that_is_wrong() {
    trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
}
