//! What runs beside the requests.

mod ensure_bucket;
mod expire_uploads;
mod process_uploads;

pub use ensure_bucket::ensure_bucket;
pub use expire_uploads::expire_uploads;
pub use process_uploads::process_uploads;
