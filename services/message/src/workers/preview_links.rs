use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::app::{App, LinkedMessage, PageReader};

/// Pages that are read at once.
const PARALLEL_MAX: usize = 16;

/// Reads pages and adds what they say to their messages, until the stop: what is under way then is given up.
///
/// # Errors
/// Never: a preview that cannot be added is left away.
pub async fn preview_links(
    app: Arc<App>,
    reader: PageReader,
    mut queue: mpsc::Receiver<LinkedMessage>,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut reading: JoinSet<()> = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            Some(ended) = reading.join_next() => unwind(ended),
            Some(linked) = queue.recv(), if reading.len() < PARALLEL_MAX => {
                let (app, reader) = (Arc::clone(&app), reader.clone());
                reading.spawn(async move {
                    if let Err(error) = app.preview_link(&reader, &linked).await {
                        tracing::debug!(error = &error as &dyn std::error::Error, "a preview is left away");
                    }
                });
            }
        }
    }
}

/// A panic is one of the service: it takes the process down.
fn unwind(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}
