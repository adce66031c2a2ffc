//! What runs without being asked: the sweeper, and the measuring of the outbox.

mod sweep_outbox;

pub use sweep_outbox::sweep_outbox;
