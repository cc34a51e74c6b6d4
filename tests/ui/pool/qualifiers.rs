#[pixie_pool::task]
unsafe fn risky() {}

#[pixie_pool::task]
extern "C" fn foreign() {}

#[pixie_pool::task]
fn endless() -> ! {
    loop {}
}

#[pixie_pool::task]
struct Thing;

fn main() {}
