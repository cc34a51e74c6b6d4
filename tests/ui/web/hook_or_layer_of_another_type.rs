use pixie_web::{App, Group, Request, Result, Route};

fn sync_hook(_: &mut Request) -> Result<()> {
    Ok(())
}

async fn without_a_request() {}

async fn holds_what_is_not_send(request: &mut Request) {
    let shared = std::rc::Rc::new(());
    std::future::ready(request).await;
    drop(shared);
}

fn main() {
    let _ = App::new().before_async(sync_hook);
    let _ = Group::new("/").before_async(without_a_request);
    let _ = App::new().before_async(holds_what_is_not_send);
    let _ = Route::get("/").sync(|_| "").layer("not a layer");
}
