struct Image;

impl Image {
    #[pixie_pool::task]
    fn shrink(&self) -> u32 {
        1
    }
}

fn main() {}
