//! What runs without being asked: the sweeper, the measuring of the outbox, the cleaner, the sender of what is scheduled,
//! the readers of linked pages, and the publisher of reports.

mod clean_up;
mod preview_links;
mod publish_reports;
mod send_scheduled;
mod sweep_outbox;

pub use clean_up::clean_up;
pub use preview_links::preview_links;
pub use publish_reports::publish_reports;
pub use send_scheduled::send_scheduled;
pub use sweep_outbox::sweep_outbox;
