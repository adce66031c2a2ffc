//! What runs by itself.

mod mailer;
mod purger;

pub use mailer::Mailer;
pub use purger::purge_periodically;
