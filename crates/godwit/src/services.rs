//! The table of services.

use godwit_pg::Schema;
use godwit_rpc::Target;
use godwit_runtime::{Process, ServiceEntry};

/// Every service, in the order in which one process starts them.
pub const ALL: [ServiceEntry; 9] = [
    ServiceEntry::of::<godwit_auth::Auth>(),
    ServiceEntry::of::<godwit_chat::Chat>(),
    ServiceEntry::of::<godwit_message::Message>(),
    ServiceEntry::of::<godwit_media::Media>(),
    ServiceEntry::of::<godwit_presence::Presence>(),
    ServiceEntry::of::<godwit_call_signaling::CallSignaling>(),
    ServiceEntry::of::<godwit_push::Push>(),
    ServiceEntry::of::<godwit_search::Search>(),
    ServiceEntry::of::<godwit_gateway::Gateway>(),
];

/// The services with these names.
#[must_use]
pub fn of(targets: &[Target]) -> Vec<ServiceEntry> {
    ALL.into_iter().filter(|service| targets.contains(&service.target)).collect()
}

/// Every schema that these services use.
#[must_use]
pub fn schemas(services: &[ServiceEntry]) -> Vec<&'static Schema> {
    Process::schemas(services)
}
