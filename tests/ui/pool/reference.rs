#[pixie_pool::task]
fn length(text: &str) -> usize {
    text.len()
}

#[pixie_pool::task]
fn sum(numbers: &[u64]) -> u64 {
    numbers.iter().sum()
}

#[pixie_pool::task]
fn greeting() -> &'static str {
    "hello"
}

fn main() {}
