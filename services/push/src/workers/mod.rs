//! What the service does by itself.

mod expire_notifications;
mod fan_out;
mod follow_revocations;
mod send_cues;
mod send_due;

pub use expire_notifications::expire_notifications;
pub use fan_out::fan_out;
pub use follow_revocations::follow_revocations;
pub use send_cues::send_cues;
pub use send_due::send_due;

use std::time::Duration;

use time::OffsetDateTime;
use tokio::sync::Notify;

use crate::domain::{Admission, Breaker, Provider};

/// How often what is due is looked for without being told.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
const RETRY_PAUSE: Duration = Duration::from_secs(1);
/// How long tries may take to end when the process stops; what does not end is tried again when its claim ends.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// How many tries may be begun now.
fn slots(breaker: &Breaker, now: OffsetDateTime, concurrency: usize, running: usize) -> usize {
    match breaker.admission(now) {
        Admission::All => concurrency.saturating_sub(running),
        Admission::Probe => 1_usize.saturating_sub(running),
        Admission::Nothing => 0,
    }
}

async fn bell_of(bells: &[Notify; 3], provider: Provider) {
    let [web, apns, fcm] = bells;
    match provider {
        Provider::Web => web.notified().await,
        Provider::Apns => apns.notified().await,
        Provider::Fcm => fcm.notified().await,
    }
}

/// What a push service is sent; each has a breaker of its own, so that one does not wait for the other's probe.
#[derive(Clone, Copy)]
enum Kind {
    Messages,
    Cues,
}

fn show(provider: Provider, kind: Kind, breaker: &Breaker) {
    let is_open = if breaker.is_open() { 1.0 } else { 0.0 };
    let kind = match kind {
        Kind::Messages => "messages",
        Kind::Cues => "cues",
    };
    metrics::gauge!("godwit_push_breaker_open", "provider" => provider.as_str(), "kind" => kind).set(is_open);
}
