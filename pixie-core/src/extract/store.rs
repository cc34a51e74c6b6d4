//! The app's store as an argument of a handler.
//!
//! The main process has the store itself. A job of a worker has a handle that asks the main process, which the
//! worker puts into the extensions of the request.
use std::any::TypeId;

use pixie_store::Store;

use crate::{Error, FromRequest, Needs, Request, StateMap, error::unprovided};

const REMEDY: &str = "give the app one with `App::store`, or in the environment variable `PIXIE_STORE`";

// A compiler message that lists extractors is the same with and without the feature.
#[diagnostic::do_not_recommend]
impl FromRequest for Store {
    fn needs(needs: &mut Needs) {
        needs.provided(TypeId::of::<Store>(), "a store", REMEDY);
    }

    fn from_request(request: &mut Request) -> Result<Self, Error> {
        let of_job = request.extensions().get::<Store>().cloned();
        let of_app = || request.state().and_then(StateMap::get::<Store>).map(|store| (*store).clone());
        of_job.or_else(of_app).ok_or_else(|| unprovided(REMEDY))
    }
}
