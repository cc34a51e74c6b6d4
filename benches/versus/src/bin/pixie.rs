//! The same routes on pixie. `/block` runs in another process, because it is a plain `fn`.
#![forbid(unsafe_code)]

use pixie_web::{AccessLog, App, Json, Listen, Tls, route};
use versus::{
    case::Protocol,
    peer::{self, HELLO, Message},
};

fn main() -> pixie_web::Result<()> {
    peer::leave_with_driver();
    // The other servers log no requests.
    let app = App::collect().access_log(AccessLog::Off);
    if peer::protocol() != Protocol::Tls {
        return app.run();
    }
    let ([certificate, key], address) = (peer::certificate()?, peer::address()?);
    let listen = Listen::tcp(address.ip().to_string(), address.port()).tls(Tls::files(certificate, key));
    app.listen(listen).run()
}

#[route("/", sync)]
fn index() -> &'static str {
    HELLO
}

#[route("/large", sync)]
fn large() -> &'static str {
    peer::large()
}

#[route("/json")]
async fn json() -> Json<Message> {
    Json(Message { message: HELLO })
}

#[route("/users/<id>", sync)]
fn user(id: String) -> String {
    id
}

#[route("/block")]
fn block() -> &'static str {
    HELLO
}

// An attribute needs an item, so a loop cannot define these routes.
macro_rules! extra_routes {
    ($($name:ident at $path:literal)*) => {$(
        #[route($path, sync)]
        fn $name() -> &'static str {
            HELLO
        }
    )*};
}

extra_routes! {
    extra_0 at "/extra/0"
    extra_1 at "/extra/1"
    extra_2 at "/extra/2"
    extra_3 at "/extra/3"
    extra_4 at "/extra/4"
    extra_5 at "/extra/5"
    extra_6 at "/extra/6"
    extra_7 at "/extra/7"
    extra_8 at "/extra/8"
    extra_9 at "/extra/9"
    extra_10 at "/extra/10"
    extra_11 at "/extra/11"
    extra_12 at "/extra/12"
    extra_13 at "/extra/13"
    extra_14 at "/extra/14"
    extra_15 at "/extra/15"
    extra_16 at "/extra/16"
    extra_17 at "/extra/17"
    extra_18 at "/extra/18"
    extra_19 at "/extra/19"
}
