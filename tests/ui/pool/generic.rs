#[pixie_pool::task]
fn show<T: ToString>(value: T) -> String {
    value.to_string()
}

#[pixie_pool::task]
fn print(value: impl ToString) -> String {
    value.to_string()
}

#[pixie_pool::task]
fn count() -> impl Iterator<Item = u32> {
    0..3
}

fn main() {}
