use godwit_events::{NewRecord, outbox};
use godwit_kernel::UserId;
use godwit_pg::{Connection, Error};
use time::OffsetDateTime;

use crate::domain::{ClientAddress, Fact};

/// Makes the record of what happened to a user.
pub type Recorder = Box<dyn Fn(UserId, &Fact) -> NewRecord + Send + Sync>;

/// What surrounds a change of an account.
pub struct Occasion {
    /// When.
    pub now: OffsetDateTime,
    /// From where, if that is known.
    pub address: Option<ClientAddress>,
    /// When the revocation of a session that ends here may be forgotten.
    pub revocation_ends_at: OffsetDateTime,
    /// What listeners are told by.
    pub recorder: Recorder,
}

impl Occasion {
    /// Where from, as it is stored.
    pub(super) fn address_text(&self) -> Option<String> {
        self.address.map(|address| address.to_text())
    }

    /// Tells listeners, in the transaction of what they are told. The user's row is locked, so that the records of one
    /// user have an order.
    pub(super) async fn tell(&self, conn: &mut Connection, user_id: UserId, facts: &[Fact]) -> Result<(), Error> {
        outbox::enqueue(conn, facts.iter().map(|fact| (self.recorder)(user_id, fact)).collect()).await
    }
}
