struct Opaque;

#[pixie_pool::task]
fn open(thing: Opaque) -> u32 {
    let Opaque = thing;
    1
}

fn main() {}
