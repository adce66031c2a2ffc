use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use godwit_contract::events::v1::{LivePayload, live_payload};
use godwit_live::{Channel, Delivery, Live, Subscription};
use prost::Message as _;
use tokio::sync::mpsc::Receiver;
use tokio_util::sync::CancellationToken;

use crate::app::App;
use crate::error::Error;

const QUEUE: usize = 256;
/// How often the auth service is asked, whatever was heard.
const INTERVAL: Duration = Duration::from_secs(60);
const RETRY_PAUSE: Duration = Duration::from_secs(2);

/// Ends subscriptions with the logins that registered them: at once by the live channel of revocations, and by asking
/// for what may have been missed.
pub async fn follow_revocations(app: Arc<App>, live: Arc<dyn Live>, stop: CancellationToken) -> anyhow::Result<()> {
    let mut listening: Option<(Box<dyn Subscription>, Receiver<Delivery>)> = None;
    while !stop.is_cancelled() {
        if listening.is_none() {
            listening = listen(&*live).await;
        }
        let asked = app.forget_revoked_sessions().await;
        if let Err(error) = &asked {
            tracing::debug!(error = error as &dyn std::error::Error, "revocations cannot be asked for now");
        }
        let pause = if asked.is_ok() && listening.is_some() { INTERVAL } else { RETRY_PAUSE };
        let heard = async {
            match &mut listening {
                Some((_, deliveries)) => hear(&app, deliveries).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = tokio::time::sleep(pause) => {}
            end = heard => if end == End::Closed { listening = None },
        }
    }
    Ok(())
}

async fn listen(live: &dyn Live) -> Option<(Box<dyn Subscription>, Receiver<Delivery>)> {
    let (subscription, deliveries) = live.subscribe(QUEUE).await.ok()?;
    if let Err(error) = subscription.add(&[Channel::Sessions]).await {
        tracing::debug!(error = &error as &dyn std::error::Error, "not listening for revocations yet");
    }
    Some((subscription, deliveries))
}

/// Why hearing ended.
#[derive(PartialEq, Eq)]
enum End {
    /// Something may have been missed.
    Interrupted,
    /// Nothing more will come.
    Closed,
}

async fn hear(app: &App, deliveries: &mut Receiver<Delivery>) -> End {
    while let Some(delivery) = deliveries.recv().await {
        let Delivery::Message { payload, .. } = delivery else {
            return End::Interrupted;
        };
        if let Err(error) = forget(app, payload).await {
            tracing::warn!(error = &error as &dyn std::error::Error, "a subscription was not ended with its login");
            return End::Interrupted;
        }
    }
    End::Closed
}

async fn forget(app: &App, payload: Bytes) -> Result<(), Error> {
    let Ok(LivePayload { payload: Some(live_payload::Payload::SessionRevoked(revoked)) }) =
        LivePayload::decode(payload)
    else {
        return Ok(());
    };
    match revoked.session_id.parse() {
        Ok(session) => app.forget_sessions(&[session]).await,
        Err(_) => Ok(()),
    }
}
