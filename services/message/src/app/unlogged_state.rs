use std::time::Duration;

use godwit_contract::message::v1::UnloggedState;
use godwit_kernel::UserId;

use super::App;

/// A sync does not wait longer for it.
const TIMEOUT: Duration = Duration::from_secs(1);

impl App {
    /// What no log holds of a user, as it is now; `None` when not all of it can be had: the log is given all the same.
    #[tracing::instrument(name = "message.unlogged_state", skip_all)]
    pub async fn unlogged_state(&self, caller: UserId) -> Option<UnloggedState> {
        let asked = async { tokio::try_join!(self.chats.drafts(caller), self.calls.running(caller)) };
        match tokio::time::timeout(TIMEOUT, asked).await {
            Ok(Ok((drafts, calls))) => Some(UnloggedState { drafts, calls }),
            Ok(Err(status)) => missing(status.code().description()),
            Err(_) => missing("timeout"),
        }
    }
}

fn missing(why: &str) -> Option<UnloggedState> {
    tracing::debug!(why, "a sync is answered without what no log holds");
    metrics::counter!("godwit_message_unlogged_state_missing_total").increment(1);
    None
}
