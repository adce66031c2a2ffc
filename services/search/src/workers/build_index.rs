use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::app::{App, Progress};
use crate::domain::{BuildOrder, Part};
use crate::error::Error;

/// After a part did not answer.
const PAUSE: Duration = Duration::from_secs(1);
/// Until it is looked again whether a release of before has left texts behind.
const REST: Duration = Duration::from_secs(3_600);

/// Builds the index for an order, page by page, as far as it is not built yet. Then it only takes care that nothing is
/// left of the index of the release before, which may run beside this one for a while.
///
/// # Errors
/// Never: what is down is waited for.
pub async fn build_index(app: Arc<App>, order: BuildOrder, stop: CancellationToken) -> anyhow::Result<()> {
    while !stop.is_cancelled() {
        let pause = match stop.run_until_cancelled(build(&app, &order)).await {
            None => break,
            Some(Ok(())) => REST,
            Some(Err(error)) => {
                tracing::warn!(error = &error as &dyn std::error::Error, "the index cannot be built on");
                PAUSE
            }
        };
        stop.run_until_cancelled(tokio::time::sleep(pause)).await;
    }
    Ok(())
}

async fn build(app: &App, order: &BuildOrder) -> Result<(), Error> {
    metrics::gauge!("godwit_search_build_running").set(1.0);
    for part in Part::ALL {
        while app.build_page(part, order).await? == Progress::More {}
    }
    metrics::gauge!("godwit_search_build_running").set(0.0);
    app.forget_texts().await
}
