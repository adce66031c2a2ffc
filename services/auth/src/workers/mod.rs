//! What runs by itself.

mod block_teller;
mod key_turner;
mod mailer;
mod purger;

pub use block_teller::tell_blocks;
pub use key_turner::turn_keys;
pub use mailer::Mailer;
pub use purger::purge_periodically;
