use godwit_contract::v1::{Call, CallState};
use godwit_kernel::{CallId, UserId};
use prost::Message as _;
use time::Duration;

use super::App;
use super::claim_cues::created_at;
use crate::error::Error;
use crate::store::{self, Ringing, RingingOver};

/// How long a call rings.
const RINGING: Duration = Duration::seconds(45);
/// How long a device that rings is told that it need not; for this long, too, it is known that the call is over.
const OVER_TTL: Duration = Duration::minutes(5);

/// A call as it stands now.
pub struct CallAlert {
    /// Its id.
    pub call_id: CallId,
    /// Whom it rings.
    pub callee_id: UserId,
    /// All of it.
    pub call: Call,
}

impl App {
    /// Rings the callee's devices while a call rings, and ends that when it does not any more. What comes again, or late,
    /// changes nothing.
    ///
    /// # Errors
    /// The database's.
    #[tracing::instrument(name = "push.alert_call", skip_all, fields(call.id = %alert.call_id), err(level = "debug"))]
    pub async fn alert_call(&self, alert: &CallAlert) -> Result<(), Error> {
        let CallAlert { call_id, callee_id: callee, call } = alert;
        let (now, bytes) = (self.clock.now(), call.encode_to_vec());
        let mut conn = self.pool.get().await?;
        let made = if call.state() == CallState::Ringing {
            let until = created_at(call).unwrap_or(now) + RINGING;
            if until <= now {
                return Ok(());
            }
            let ringing = Ringing { call_id: *call_id, callee: *callee, call: &bytes, now, until };
            store::cue_ringing(&mut conn, &ringing).await?
        } else {
            let answered_by = call.callee_device_id.parse().ok();
            let until = now + OVER_TTL;
            let over = RingingOver { call_id: *call_id, callee: *callee, answered_by, call: &bytes, now, until };
            store::cue_call_over(&mut conn, &over).await?
        };
        if made > 0 {
            self.bells.ring_for_cues();
        }
        Ok(())
    }
}
