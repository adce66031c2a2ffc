//! What the tests see a server through: REST and sockets as bytes on the wire, not through the SDK, so that the
//! SDK's leniency hides nothing.

mod account;
mod clusters;
mod database;
mod index;
mod later;
mod ledger;
mod rest;
mod sdk;
mod servers;
mod socket;
#[path = "../../../../../services/push/tests/it/stage/mod.rs"]
#[expect(dead_code, reason = "the tests of push use the rest")]
pub mod stage;
mod totp;
mod upload;

pub use account::{Account, PASSWORD, Pair, fresh_uuid};
pub use clusters::{embedded, separate};
pub use database::{TableLock, dump, query};
pub use godwit_testkit::unique;
pub use index::{all_found, assert_all_found};
pub use later::Later;
pub use ledger::Ledger;
pub use rest::{Answer, Rest, send, try_send};
pub use sdk::{connect_sdk, log_in_sdk};
pub use servers::OwnServers;
pub use socket::{Encoding, Socket};
pub use totp::totp_code;
pub use upload::{form_around, upload_form, upload_request};
