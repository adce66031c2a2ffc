//! What runs without being asked: the sweeper, the measuring of the outbox, and the cleaner.

mod clean_up;
mod sweep_outbox;

pub use clean_up::clean_up;
pub use sweep_outbox::sweep_outbox;
