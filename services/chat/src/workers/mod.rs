//! What runs without being asked: the repetition of appends.

mod deliver_updates;

pub use deliver_updates::deliver_updates;
