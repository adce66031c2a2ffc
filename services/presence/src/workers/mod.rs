//! What the service does by itself.

mod announce;
mod end_leases;

pub use announce::announce;
pub use end_leases::end_leases;
